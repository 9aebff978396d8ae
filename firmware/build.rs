//! Gives the linker the memory map of the board's processor.

fn main() {
    println!("cargo::rerun-if-changed=link.x");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("riscv32") {
        let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-T{dir}/link.x");
        println!("cargo::rustc-link-arg-bins=--gc-sections");
    }
}
