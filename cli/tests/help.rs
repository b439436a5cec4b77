//! The help of `weir`. This package's programs are built for its tests; those of the workspace run them, too.

use std::process::Command;

#[test]
fn help_names_the_commands_and_exits_with_zero() {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("--help")
        .output();
    let output = output.unwrap_or_else(|error| panic!("weir does not run: {error}"));
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{help}");
    for command in [
        "demo",
        "driver",
        "executor",
        "executors",
        "submit",
        "jobs",
        "status",
        "logs",
        "cancel",
    ] {
        assert!(help.contains(command), "{command} is not in: {help}");
    }
}
