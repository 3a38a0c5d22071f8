//! Every other file: its parser takes anything and gives only what could be meant.
#![no_main]

use docker_stat_prom::parse::{
    ContainerId, Limit, Name,
    cgroup_events::parse_cgroup_events,
    cgroup_procs::pids,
    cgroup_stat::parse_cgroup_stat,
    cpu_list::parse_cpu_list,
    cpu_max::parse_cpu_max,
    meminfo::parse_meminfo,
    proc_cgroup::unified_path,
    proc_limits::max_open_files,
    proc_stat::count_cpus,
    scan::{FlatKey, flat_keyed_value, number},
    single_value::{parse_limit, parse_single_value},
    uevent::device_name,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let text = file.trim_ascii();
    assert_eq!(number(file), naive::number(file));
    let is_whole = file.ends_with(b"\n");
    assert_eq!(parse_single_value(file).ok(), naive::number(text).filter(|_| is_whole));
    let limit = if text == b"max" { Some(Limit::Max) } else { naive::number(text).map(Limit::Value) };
    assert_eq!(parse_limit(file).ok(), limit.filter(|_| is_whole));
    let _cpu_max = parse_cpu_max(file);
    let _cpu_list = parse_cpu_list(file);

    let counts = naive::flat(file, &["nr_descendants", "nr_dying_descendants"]);
    // It stops where it has both; what is odd behind them is nobody's.
    if let (Ok(stat), Ok(counts)) = (parse_cgroup_stat(file), counts) {
        assert_eq!(stat.nr_descendants.is_some(), counts[0].is_some());
        assert_eq!(stat.nr_dying_descendants.is_some(), counts[1].is_some());
    }
    if let (Ok(events), Ok(values)) = (parse_cgroup_events(file), naive::flat(file, &["populated", "frozen"])) {
        assert!(values[0].is_some());
        assert_eq!(events.frozen.is_some(), values[1].is_some());
    }
    if let Ok(values) = naive::flat(file, &["frozen"]) {
        assert_eq!(flat_keyed_value(file, FlatKey::new("frozen ")).unwrap().is_some(), values[0].is_some());
    }
    assert!(pids(file).count() <= naive::lines(file).count());
    let _limit = max_open_files(file);
    if let Ok(cpus) = count_cpus(file) {
        assert!(is_whole && cpus <= naive::lines(file).count() as u64);
    }
    let (meminfo, _problem) = parse_meminfo(file);
    for bytes in [meminfo.mem_total, meminfo.swap_total].into_iter().flatten() {
        assert_eq!(bytes % 1024, 0);
    }
    assert!(unified_path(file).is_none_or(|path| path.starts_with(b"/")));
    assert!(
        device_name(file).is_none_or(|name| !name.is_empty() && !name.split('/').any(|part| part == ".."))
    );

    if let Ok(text) = std::str::from_utf8(file) {
        if let Some(id) = ContainerId::from_directory(text) {
            assert!(text.contains(id.as_str()) && id.as_str().len() == 64 && id.short().len() == 12);
        }
        assert_eq!(
            Name::new(file).map(|name| name.as_str().to_owned()),
            (file.len() <= 31).then(|| text.to_owned())
        );
    } else {
        assert_eq!(Name::new(file), None);
    }
});
