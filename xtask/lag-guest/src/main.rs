//! Init of a guest kernel: what xtask wants to know of a kernel's bond.
//!
//! xtask builds this statically, puts it into an initramfs beside the modules of `/modules/NN-*` and
//! the frames of `/frames` (each a little-endian u16 length and that many bytes), names a role as
//! the init's argument, and reads the answers from the serial console:
//!
//! ```text
//! lag-guest kernel 6.12.107+deb13-amd64
//! lag-guest ...                           what the role says
//! lag-guest error ...                     what went wrong
//! lag-guest done
//! ```
//!
//! | role | task | file |
//! |---|---|---|
//! | `choices` | `cargo xtask lag-vectors` | `choices.rs` |
//! | `lacp` | `cargo xtask lacp-guest` | `lacp.rs`, `flow.rs` |

mod choices;
mod flow;
mod lacp;
mod sys;
mod world;

fn main() {
    if std::process::id() != 1 {
        eprintln!(
            "error: lag-guest is the init of a guest; cargo xtask lag-vectors and lacp-guest start it"
        );
        std::process::exit(2);
    }
    let role = std::env::args().nth(1);
    let played = match role.as_deref() {
        Some("choices") => choices::record(),
        Some("lacp") => lacp::serve(),
        _ => Err(std::io::Error::other(format!("no such role: {role:?}"))),
    };
    if let Err(err) = played {
        println!("lag-guest error {err}");
    }
    println!("lag-guest done");
    sys::power_off();
}
