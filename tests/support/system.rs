//! What tests need of the operating system: signals and free ports.

#![allow(dead_code, reason = "each test binary uses its part of this")]

/// Sends a signal to a process that the test has started.
pub fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "no signal {name} to process {pid}");
}

/// Returns a port that nothing listens on, below the range from which the kernel takes ports
/// for outgoing connections: a server that restarts finds its port free.
pub fn free_port() -> u16 {
    std::iter::repeat_with(|| fastrand::u16(20_000..32_000))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
