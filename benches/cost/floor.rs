//! The floor: no program can read the same files more cheaply.

use docker_stat_prom::{
    discovery::scan,
    sample::{FileSet, KernelFile, Roots},
};
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// The floor: reads the same files through descriptors that are all kept, and discards the bytes. `net/dev`
/// is opened for each reading, as it must be: a kept descriptor would keep the namespace of a dead container
/// alive.
pub(super) struct Floor {
    files: Vec<File>,
    net: Vec<PathBuf>,
    buffer: Vec<u8>,
}

impl Floor {
    pub(super) fn new(roots: &Roots, files: FileSet, network: bool) -> Self {
        let mut floor = Self { files: Vec::new(), net: Vec::new(), buffer: vec![0; 64 * 1024] };
        for scope in scan(&roots.cgroup) {
            let directory = scope.cgroup.directory(&roots.cgroup);
            let wanted = KernelFile::ALL.iter().filter(|file| files.contains(**file));
            let open = wanted.filter_map(|file| File::open(directory.join(file.name())).ok());
            // Without PSI, a pressure file can be opened but not read.
            floor.files.extend(open.filter(|file| file.read_at(&mut [0; 16], 0).is_ok()));
            let pid = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            let process = roots.proc.join(pid.lines().next().unwrap_or("none"));
            // The inode of net/dev is unique per namespace; a recorded tree has only the links.
            let namespace = |process: &Path| match fs::read_link(process.join("ns/net")) {
                Ok(link) if roots.proc != Path::new("/proc") => link.to_string_lossy().into_owned(),
                _ => fs::metadata(process.join("net/dev"))
                    .map(|file| file.ino().to_string())
                    .unwrap_or_default(),
            };
            if network && namespace(&process) != namespace(&roots.proc.join("1")) {
                floor.net.push(process.join("net/dev"));
            }
        }
        floor
    }

    /// The number of files that are read.
    pub(super) fn len(&self) -> usize {
        self.files.len() + self.net.len()
    }

    pub(super) fn read(&mut self) {
        for file in &self.files {
            std::hint::black_box(file.read_at(&mut self.buffer, 0).unwrap());
        }
        for path in &self.net {
            let mut file = File::open(path).unwrap();
            std::hint::black_box(file.read(&mut self.buffer).unwrap());
        }
    }
}
