//! Names of block devices.

use crate::parse::Name;
use std::path::{Path, PathBuf};

/// A block device.
#[derive(Debug)]
pub struct Device {
    number: (u32, u32),
    /// `/dev/<name>`, or `<major>:<minor>` for a device that sysfs does not name.
    pub name: String,
    /// The same, if it is short.
    pub short_name: Option<Name>,
    /// Its major number.
    pub major: Name,
    /// Its minor number.
    pub minor: Name,
}

/// Block devices by number, their names read once from `<sys>/dev/block/<major>:<minor>/uevent`.
#[derive(Debug)]
pub struct DeviceNames {
    root: PathBuf,
    devices: Vec<Device>,
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
        Self { root: sys_root.join("dev/block"), devices: Vec::new() }
    }

    /// Makes sure that a device has a name. A search of a handful of entries, and a file read once per device.
    pub fn resolve(&mut self, major: u32, minor: u32) {
        if self.get(major, minor).is_some() {
            return;
        }
        let number = format!("{major}:{minor}");
        let name = std::fs::read(self.root.join(&number).join("uevent")).ok().and_then(|file| {
            let text = String::from_utf8_lossy(&file).into_owned();
            text.lines().find_map(|line| line.strip_prefix("DEVNAME=").map(|name| format!("/dev/{name}")))
        });
        let name = name.unwrap_or(number);
        self.devices.push(Device {
            number: (major, minor),
            short_name: Name::new(name.as_bytes()),
            name,
            major: Name::literal(&major.to_string()),
            minor: Name::literal(&minor.to_string()),
        });
    }

    /// A device that was resolved.
    #[must_use]
    pub fn get(&self, major: u32, minor: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.number == (major, minor))
    }

    /// Forgets all names: numbers are given again when devices come and go.
    pub fn forget(&mut self) {
        self.devices.clear();
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
        let shown = |major, minor| names.get(major, minor).map(|device| device.name.as_str());
        assert_eq!((shown(254, 0), shown(7, 7), shown(1, 1)), (Some("/dev/vda"), Some("7:7"), None));
    }
}
