//! `/sys/dev/block/<major>:<minor>/uevent`.

use super::scan::lines;

/// Longer than the name of any block device; the kernel's limit is 32 (`DISK_NAME_LEN`).
const LONGEST: usize = 128;

/// The device's name below `/dev` (`DEVNAME`). It may contain directories: `cciss/c0d0`. `None` if it can't
/// be a device name: empty, a path that leads outside `/dev`, or anything except printable ASCII.
#[must_use]
pub fn device_name(file: &[u8]) -> Option<&str> {
    let name = lines(file).find_map(|line| line.text.strip_prefix(b"DEVNAME="))?;
    let name = std::str::from_utf8(name.strip_suffix(b"\r").unwrap_or(name)).ok()?;
    let is_plain = name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_graphic());
    let leads_below = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    (is_plain && leads_below).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_stands_below_dev() {
        assert_eq!(device_name(b"MAJOR=254\nDEVNAME=vda\n"), Some("vda"));
        assert_eq!(device_name(b"\xff\nDEVNAME=cciss/c0d0\r\nMINOR=0"), Some("cciss/c0d0"));
        let long = format!("DEVNAME={}\n", "x".repeat(4000));
        for odd in [
            &b""[..],
            b"DEVNAME=\n",
            b"DEVNAME=../../etc/passwd\n",
            b"DEVNAME=/etc\n",
            b"DEVNAME=a//b\n",
            b"DEVNAME=a b\n",
            b"DEVNAME=a\x1b[2Jb\n",
            b"DEVNAME=\xff\xfe\n",
            long.as_bytes(),
        ] {
            assert_eq!(device_name(odd), None, "{:?}", String::from_utf8_lossy(odd));
        }
    }
}
