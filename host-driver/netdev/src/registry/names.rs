//! Names: under 16 bytes, `%d` for the lowest free number.

use super::Core;
use crate::error::{Errno, NetdevError, Result};

/// Bytes of the longest name (IFNAMSIZ with its NUL is 16).
pub const NAME_MAX: usize = 15;

fn bad(errno: Errno, name: &str, reason: &'static str) -> NetdevError {
    NetdevError::new(errno, "name", name, reason)
}

/// EINVAL unless the name could be one (`dev_valid_name`).
fn check(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(bad(Errno::Invalid, name, "a name has 1 to 15 bytes"));
    }
    let wrong = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if matches!(name, "." | "..") || name.contains(wrong) {
        let reason = "a name is not . or .. and has no '/', ':', white space or control characters";
        return Err(bad(Errno::Invalid, name, reason));
    }
    Ok(())
}

/// The name to use for a wish, where `taken` says which are in use: EINVAL for one that cannot be, EEXIST for one in use, ENOSPC when no number is left.
pub fn allocate(wish: &str, taken: impl Fn(&str) -> bool) -> Result<String> {
    // The wish may be longer than the name that comes of it; what counts is the result.
    check(if wish.contains("%d") { "%d" } else { wish })?;
    let stray = "the only % that a name may have is one %d";
    let Some((head, tail)) = wish.split_once("%d") else {
        if wish.contains('%') {
            return Err(bad(Errno::Invalid, wish, stray));
        }
        return match taken(wish) {
            true => Err(bad(
                Errno::Exists,
                wish,
                "there is a device of this name already",
            )),
            false => Ok(wish.into()),
        };
    };
    if head.contains('%') || tail.contains('%') {
        return Err(bad(Errno::Invalid, wish, stray));
    }
    // Numbers that give too long a name end the search, so that it ends.
    let mut names = (0u64..).map(|n| format!("{head}{n}{tail}"));
    let fits = |name: &String| name.len() <= NAME_MAX;
    match names.by_ref().take_while(fits).find(|n| !taken(n)) {
        Some(name) => check(&name).map(|()| name),
        None => Err(bad(
            Errno::NoSpace,
            wish,
            "no free number gives a name of at most 15 bytes",
        )),
    }
}

impl Core {
    /// [`allocate`] among the devices that there are.
    pub(super) fn allocate_name(&self, wish: &str) -> Result<String> {
        let taken = |name: &str| self.devices.values().any(|d| d.config().name == name);
        allocate(wish, taken)
    }
}
