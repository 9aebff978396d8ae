//! What can go wrong between a design and a loaded model.

use std::path::PathBuf;

/// Why a model could not be built, loaded, or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The [`crate::Design`] contradicts itself.
    #[error("design `{top}`: {problem}")]
    Design {
        /// Name of the top module.
        top: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// No Verilator or no C++ compiler was found.
    #[error("{tool} was not found (looked at: {looked}); {remedy}")]
    ToolMissing {
        /// The tool.
        tool: &'static str,
        /// Where it was looked for.
        looked: String,
        /// What the user does about it.
        remedy: &'static str,
    },
    /// A tool ran and refused its input.
    #[error("{tool} refused `{top}` (its input is kept in {}):\n{message}", .kept.display())]
    Tool {
        /// `verilator` or the compiler's name.
        tool: String,
        /// Name of the top module.
        top: String,
        /// Folder with the files that the tool was given.
        kept: PathBuf,
        /// What the tool printed.
        message: String,
    },
    /// Tracing needs headers of compression libraries that the compiler does not find.
    #[error(
        "tracing `{top}` needs {header}, which {compiler} does not find: install the package \
         {package} (its name on Debian and Ubuntu) or build with `trace: false`"
    )]
    HeaderMissing {
        /// Name of the top module.
        top: String,
        /// The header.
        header: &'static str,
        /// The package that brings it.
        package: &'static str,
        /// The compiler that was asked.
        compiler: String,
    },
    /// A file operation failed.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The compiled object could not be loaded.
    #[error("cannot load {}: {source}", .path.display())]
    Load {
        /// The shared object.
        path: PathBuf,
        /// The loader's reason.
        source: libloading::Error,
    },
    /// A port was asked for that the design does not have.
    #[error("design `{top}` has no {direction} `{name}`; it has: {known}")]
    NoPort {
        /// Name of the top module.
        top: String,
        /// `input` or `output`.
        direction: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A trace was asked of a model that was built without one, or its file cannot be written.
    #[error("cannot trace `{top}` into {}: {problem}", .path.display())]
    Trace {
        /// Name of the top module.
        top: String,
        /// The trace file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl Error {
    /// Wraps an I/O error with what was being done to which file.
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}
