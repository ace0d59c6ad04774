//! The second program, run as an outsider runs it.

use serde_json::Value;
use std::process::Command;

/// Runs `bedside-verify`; gives its exit code and its answer.
pub fn verify(arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_bedside-verify")).args(arguments).arg("--json").output().expect("bedside-verify runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{text}{}: {e}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("it ended by itself"), answer)
}
