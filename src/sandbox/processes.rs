//! Whether processes of others are seen only by those who may trace them.
//!
//! Landlock forbids to trace any process outside the sandbox. Where procfs hides processes from those who may
//! not trace them (`hidepid=`), all processes of containers would be gone, even with `CAP_SYS_PTRACE`.

use super::capabilities;
use nix::unistd::{getegid, getgroups};
use std::{fs, os::linux::fs::MetadataExt, path::Path};

/// Whether processes are seen now, and would not be under Landlock.
pub(super) fn would_be_hidden(proc: &Path) -> bool {
    capabilities::may_trace()
        && fs::metadata(proc).is_ok_and(|proc| {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            is_hiding(&mounts, proc.st_dev(), is_member)
        })
}

fn is_member(group: u32) -> bool {
    getegid().as_raw() == group
        || getgroups().is_ok_and(|groups| groups.iter().any(|own| own.as_raw() == group))
}

/// Whether the procfs with this device number hides processes from those who may not trace them, according
/// to `mountinfo`.
fn is_hiding(mounts: &str, device: u64, is_member: impl Fn(u32) -> bool) -> bool {
    let number = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let options = mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let is_this = mount.split(' ').nth(2) == Some(number.as_str());
        file_system.rsplit(' ').next().filter(|_| is_this)
    });
    let option = |name: &str| {
        options?
            .split(',')
            .filter_map(|option| option.split_once('='))
            .find_map(|(key, value)| if key == name { Some(value) } else { None })
    };
    match option("hidepid") {
        None | Some("0" | "off") => false,
        Some("4" | "ptraceable") => true,
        // One group, by default root's, sees everything.
        Some(_) => !is_member(option("gid").and_then(|group| group.parse().ok()).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_processes_are_known_from_the_options_of_the_mount() {
        let mounts = |options: &str| {
            format!(
                "22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw\n\
                 23 28 0:22 / /proc rw,nosuid shared:5 - proc proc rw{options}\n\
                 24 28 0:23 / /other rw - proc proc rw,hidepid=invisible\n"
            )
        };
        let device = nix::sys::stat::makedev(0, 22);
        let hides = |options, group| is_hiding(&mounts(options), device, |asked| asked == group);
        assert!(!hides("", 7));
        assert!(!hides(",hidepid=off", 7));
        assert!(hides(",hidepid=invisible", 7));
        assert!(hides(",hidepid=2", 7));
        assert!(!hides(",hidepid=2", 0), "the default group is root's");
        assert!(!hides(",gid=7,hidepid=noaccess", 7));
        assert!(hides(",gid=8,hidepid=noaccess", 7));
        assert!(hides(",gid=7,hidepid=ptraceable", 7));
        assert!(!is_hiding("", device, |_| false));
    }
}
