//! Makes sure that the folder of built pages exists, so that the server compiles before the pages are built.

use std::fs;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=policies");
    let dist = Path::new("frontend/dist");
    if !dist.exists()
        && let Err(error) = fs::create_dir_all(dist)
    {
        println!("cargo:warning=frontend/dist cannot be made: {error}");
    }
}
