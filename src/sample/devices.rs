//! Names of block devices.

use std::path::{Path, PathBuf};

/// Block device names by number, read once from `<sys>/dev/block/<major>:<minor>/uevent`.
#[derive(Debug)]
pub struct DeviceNames {
    root: PathBuf,
    names: Vec<((u32, u32), String)>,
}

impl Default for DeviceNames {
    fn default() -> Self {
        Self::new(Path::new("/sys"))
    }
}

impl DeviceNames {
    /// Names as the sysfs at `sys_root` has them.
    #[must_use]
    pub fn new(sys_root: &Path) -> Self {
        Self { root: sys_root.join("dev/block"), names: Vec::new() }
    }

    /// Makes sure that a device has a name. A search of a handful of entries, and a file read once per device.
    pub fn resolve(&mut self, major: u32, minor: u32) {
        if self.names.iter().any(|(number, _)| *number == (major, minor)) {
            return;
        }
        let uevent = self.root.join(format!("{major}:{minor}/uevent"));
        let name = std::fs::read(uevent).ok().and_then(|file| {
            let text = String::from_utf8_lossy(&file).into_owned();
            text.lines().find_map(|line| line.strip_prefix("DEVNAME=").map(str::to_owned))
        });
        let name = name.map_or_else(|| format!("{major}:{minor}"), |name| format!("/dev/{name}"));
        self.names.push(((major, minor), name));
    }

    /// `/dev/<name>`, or `<major>:<minor>` for a device that sysfs does not name.
    #[must_use]
    pub fn get(&self, major: u32, minor: u32) -> &str {
        self.names.iter().find(|(number, _)| *number == (major, minor)).map_or("", |(_, name)| name.as_str())
    }

    /// Forgets all names: numbers are given again when devices come and go.
    pub fn forget(&mut self) {
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_a_name_is_its_number() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("dev/block/254:0");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("uevent"), "MAJOR=254\nMINOR=0\nDEVNAME=vda\n").unwrap();
        let mut names = DeviceNames::new(root.path());
        names.resolve(254, 0);
        names.resolve(7, 7);
        assert_eq!((names.get(254, 0), names.get(7, 7)), ("/dev/vda", "7:7"));
    }
}
