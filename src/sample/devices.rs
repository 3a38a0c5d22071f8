//! Names of block devices.

use super::stat_file::Scratch;
use crate::parse::{Name, uevent::device_name};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// So many are compared one by one faster than looked up.
const FEW: usize = 16;

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
    /// Where each is in `devices`.
    places: HashMap<(u32, u32), usize>,
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
        Self { root: sys_root.join("dev/block"), devices: Vec::new(), places: HashMap::new() }
    }

    /// Makes sure that a device has a name. A search of a handful of entries, and a file read once per device.
    #[inline]
    pub fn resolve(&mut self, major: u32, minor: u32, scratch: &mut Scratch) {
        if self.get(major, minor).is_none() {
            self.read(major, minor, scratch);
        }
    }

    #[cold]
    fn read(&mut self, major: u32, minor: u32, scratch: &mut Scratch) {
        let number = format!("{major}:{minor}");
        let file = scratch.read_path(&self.root.join(&number).join("uevent"));
        let name = file.ok().and_then(device_name).map(|name| format!("/dev/{name}"));
        let name = name.unwrap_or(number);
        self.places.insert((major, minor), self.devices.len());
        self.devices.push(Device {
            number: (major, minor),
            short_name: Name::new(name.as_bytes()),
            name,
            major: Name::literal(&major.to_string()),
            minor: Name::literal(&minor.to_string()),
        });
    }

    /// A device that was resolved.
    #[inline]
    #[must_use]
    pub fn get(&self, major: u32, minor: u32) -> Option<&Device> {
        if self.devices.len() <= FEW {
            return self.devices.iter().find(|device| device.number == (major, minor));
        }
        self.places.get(&(major, minor)).and_then(|place| self.devices.get(*place))
    }

    /// Forgets all names: numbers are given again when devices come and go.
    pub fn forget(&mut self) {
        self.devices.clear();
        self.places.clear();
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
        let mut scratch = Scratch::default();
        names.resolve(254, 0, &mut scratch);
        names.resolve(7, 7, &mut scratch);
        let shown = |major, minor| names.get(major, minor).map(|device| device.name.as_str());
        assert_eq!((shown(254, 0), shown(7, 7), shown(1, 1)), (Some("/dev/vda"), Some("7:7"), None));
    }

    #[test]
    fn many_devices_have_each_their_own_name() {
        let (mut names, mut scratch) = (DeviceNames::new(Path::new("/nonexistent")), Scratch::default());
        for minor in 0..1000 {
            names.resolve(8, minor, &mut scratch);
        }
        assert!((0..1000).all(|minor| names.get(8, minor).unwrap().name == format!("8:{minor}")));
        assert!(names.get(8, 1000).is_none());
        names.forget();
        assert!(names.get(8, 1).is_none());
    }
}
