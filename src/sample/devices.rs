//! Names of block devices.

use super::stat_file::Scratch;
use crate::parse::{Name, uevent::device_name};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Up to this many devices, comparing one by one is faster than a look-up.
const FEW: usize = 16;

/// A block device.
#[derive(Debug)]
pub struct Device {
    number: (u32, u32),
    /// `/dev/<name>`, or `<major>:<minor>` for a device that has no name in sysfs or the same name as another
    /// one.
    pub name: String,
    /// The same, if it is short.
    pub short_name: Option<Name>,
    /// Its major number.
    pub major: Name,
    /// Its minor number.
    pub minor: Name,
}

impl Device {
    fn new((major, minor): (u32, u32), name: Option<String>) -> Self {
        let name = name.unwrap_or_else(|| format!("{major}:{minor}"));
        Self {
            number: (major, minor),
            short_name: Name::new(name.as_bytes()),
            name,
            major: Name::literal(&major.to_string()),
            minor: Name::literal(&minor.to_string()),
        }
    }
}

/// Block devices by number, their names read once from `<sys>/dev/block/<major>:<minor>/uevent`.
#[derive(Debug)]
pub struct DeviceNames {
    root: PathBuf,
    devices: Vec<Device>,
    /// The position of each device in `devices`.
    places: HashMap<(u32, u32), usize>,
}

impl Default for DeviceNames {
    fn default() -> Self {
        Self::new(Path::new("/sys"))
    }
}

impl DeviceNames {
    /// Device names as in the sysfs at `sys_root`.
    #[must_use]
    pub fn new(sys_root: &Path) -> Self {
        Self { root: sys_root.join("dev/block"), devices: Vec::new(), places: HashMap::new() }
    }

    /// Makes sure that the name of a device is known. Searches a handful of entries, and reads a file once
    /// per device.
    #[inline]
    pub fn resolve(&mut self, major: u32, minor: u32, scratch: &mut Scratch) {
        if self.get(major, minor).is_none() {
            self.read(major, minor, scratch);
        }
    }

    #[cold]
    fn read(&mut self, major: u32, minor: u32, scratch: &mut Scratch) {
        let number = (major, minor);
        let mut name = self.name_of(number, scratch);
        // Two devices with one name would give the same series. The device with the lower number keeps the
        // name, whichever was seen first, so that they do not swap when names are forgotten.
        let holder = name.as_ref().and_then(|name| self.devices.iter().position(|one| one.name == *name));
        if let Some(place) = holder {
            let holder = self.devices.get(place).map(|device| device.number);
            // The device may be gone, and its name may belong to another one.
            let is_current = holder.is_some_and(|holder| self.name_of(holder, scratch) == name);
            if is_current && holder < Some(number) {
                name = None;
            } else if let Some(device) = self.devices.get_mut(place) {
                *device = Device::new(device.number, None);
            }
        }
        self.places.insert(number, self.devices.len());
        self.devices.push(Device::new(number, name));
    }

    /// The name of a device in sysfs now.
    fn name_of(&self, (major, minor): (u32, u32), scratch: &mut Scratch) -> Option<String> {
        let file = scratch.read_path(&self.root.join(format!("{major}:{minor}")).join("uevent"));
        file.ok().and_then(device_name).map(|name| format!("/dev/{name}"))
    }

    /// A device whose name is known.
    #[inline]
    #[must_use]
    pub fn get(&self, major: u32, minor: u32) -> Option<&Device> {
        if self.devices.len() <= FEW {
            return self.devices.iter().find(|device| device.number == (major, minor));
        }
        self.places.get(&(major, minor)).and_then(|place| self.devices.get(*place))
    }

    /// Forgets all names: device numbers are used again when devices come and go.
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
    fn two_devices_of_one_name_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let call = |number: &str, name: &str| {
            let dir = root.path().join("dev/block").join(number);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("uevent"), format!("DEVNAME={name}\n")).unwrap();
        };
        for minor in ["77:1", "77:2", "77:3"] {
            call(minor, "sdz");
        }
        let mut scratch = Scratch::default();
        for order in [[1, 2, 3], [3, 2, 1], [2, 1, 3]] {
            let mut names = DeviceNames::new(root.path());
            for minor in order {
                names.resolve(77, minor, &mut scratch);
            }
            let shown: Vec<_> = (1..4).map(|minor| names.get(77, minor).unwrap()).collect();
            let full: Vec<_> = shown.iter().map(|device| device.name.as_str()).collect();
            assert_eq!(full, ["/dev/sdz", "77:2", "77:3"], "{order:?}");
            assert!(shown.iter().all(|one| one.short_name == Name::new(one.name.as_bytes())));
        }
        // The disk was removed, and inserted again under another number.
        let mut names = DeviceNames::new(root.path());
        names.resolve(77, 1, &mut scratch);
        std::fs::remove_dir_all(root.path().join("dev/block/77:1")).unwrap();
        names.resolve(77, 3, &mut scratch);
        assert_eq!(names.get(77, 1).unwrap().name, "77:1");
        assert_eq!(names.get(77, 3).unwrap().name, "/dev/sdz");
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
