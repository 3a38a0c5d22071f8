use super::{directory::folder_name, *};
use crate::push::record::Kind;
use std::collections::BTreeSet;

struct Setting {
    folder: tempfile::TempDir,
}

impl Setting {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self, limit: u64) -> (Spool, Vec<String>) {
        let directory = Directory::open(self.folder.path()).unwrap();
        Spool::open(&Arc::new(directory), "target", limit).unwrap()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let listed = segment::list(&self.folder.path().join(folder_name("target"))).unwrap();
        listed.0.into_iter().map(|(_, path)| path).collect()
    }
}

fn record(number: u32) -> Record {
    let body = format!("body of {number}").into_bytes().into();
    Record { kind: Kind::WriteV1, samples: number, timestamp: i64::from(number) * 1000, body }
}

/// All that waits, and what was lost on the way.
fn drain(spool: &mut Spool) -> (Vec<Record>, Vec<Loss>) {
    let (mut records, mut all) = (Vec::new(), Vec::new());
    loop {
        let (found, losses) = spool.front();
        all.extend(losses);
        let Some((place, record)) = found else { return (records, all) };
        spool.done(place);
        records.push(record);
    }
}

fn samples(records: &[Record]) -> Vec<u32> {
    records.iter().map(|record| record.samples).collect()
}

#[test]
fn records_come_back_in_order_after_a_restart() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    for number in 1..=5 {
        spool.append(&record(number)).unwrap();
    }
    spool.sync().unwrap();
    assert_eq!(spool.samples(), 15);
    for _ in 0..2 {
        let (place, _) = spool.front().0.unwrap();
        spool.done(place);
    }
    assert_eq!(spool.samples(), 12);
    let bytes = spool.bytes();
    drop(spool);
    let (mut spool, said) = setting.open(1 << 20);
    assert!(said.is_empty(), "{said:?}");
    assert_eq!((spool.samples(), spool.bytes()), (12, bytes));
    spool.append(&record(6)).unwrap();
    let (records, losses) = drain(&mut spool);
    assert_eq!(records, [record(3), record(4), record(5), record(6)]);
    assert!(losses.is_empty());
    assert_eq!((spool.samples(), spool.bytes()), (0, 0));
    drop(spool);
    assert!(setting.open(1 << 20).0.front().0.is_none(), "nothing is sent twice");
}

#[test]
fn a_record_stays_until_it_is_done() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    spool.append(&record(1)).unwrap();
    let (place, first) = spool.front().0.unwrap();
    assert_eq!(spool.front().0.unwrap(), (place, first));
    spool.done(place);
    spool.append(&record(2)).unwrap();
    // Told twice.
    spool.done(place);
    assert_eq!(samples(&drain(&mut spool).0), [2]);
}

#[test]
fn wherever_writing_stops_the_records_before_are_there() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    for number in 1..=3 {
        spool.append(&record(number)).unwrap();
    }
    drop(spool);
    let path = setting.segments().remove(0);
    let whole = fs::read(&path).unwrap();
    let one = usize::try_from(HEADER + record(3).size()).unwrap();
    for cut in 0..one {
        let left = whole.len() - one + cut;
        fs::write(&path, &whole[..left]).unwrap();
        let (mut spool, said) = setting.open(1 << 20);
        assert_eq!(said.len(), usize::from(cut > 0), "{said:?}");
        spool.append(&record(4)).unwrap();
        drop(spool);
        let (mut spool, said) = setting.open(1 << 20);
        assert!(said.is_empty(), "{said:?}");
        let mut seen = Vec::new();
        while let (Some((place, record)), _) = spool.front() {
            seen.push(record.samples);
            spool.sent.0 = place.offset + HEADER + place.length;
        }
        assert_eq!(seen, [1, 2, 4], "{cut}");
    }
}

#[test]
fn zeros_at_the_end_are_cut() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    spool.append(&record(1)).unwrap();
    drop(spool);
    let path = setting.segments().remove(0);
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length + 5000).unwrap();
    let (mut spool, said) = setting.open(1 << 20);
    assert!(said[0].contains("the last 5000 bytes are not a whole record"), "{said:?}");
    assert_eq!(samples(&drain(&mut spool).0), [1]);
}

#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    for number in 1..=4 {
        spool.append(&record(number)).unwrap();
    }
    drop(spool);
    let path = setting.segments().remove(0);
    let ack = path.with_file_name("ack");
    let (whole, untouched) = (fs::read(&path).unwrap(), fs::read(&ack).unwrap());
    for at in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        fs::write(&ack, &untouched).unwrap();
        let (mut spool, _) = setting.open(1 << 20);
        let (records, losses) = drain(&mut spool);
        let left: BTreeSet<_> = samples(&records).into_iter().collect();
        assert!(left.len() >= 3, "bit {at}: {left:?}");
        assert!(records.iter().all(|found| *found == record(found.samples)), "bit {at}: {records:?}");
        let lost: u64 = losses.iter().map(|loss| loss.samples).sum();
        assert!(lost <= 4, "{lost}");
    }
}

#[test]
fn a_damaged_ack_sends_again_and_loses_nothing() {
    let setting = Setting::new();
    for damage in [&b""[..], b"short", &[0xff; 20], &[0xff; 100]] {
        let (mut spool, _) = setting.open(1 << 20);
        drain(&mut spool);
        spool.append(&record(7)).unwrap();
        let folder = spool.folder().to_owned();
        drop(spool);
        fs::write(folder.join("ack"), damage).unwrap();
        let (mut spool, _) = setting.open(1 << 20);
        let seen = samples(&drain(&mut spool).0);
        assert_eq!(seen.last(), Some(&7), "{seen:?}");
    }
}

#[test]
fn an_ack_beyond_what_a_power_failure_left_does_not_hide_new_records() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    for number in 1..=3 {
        spool.append(&record(number)).unwrap();
    }
    drain(&mut spool);
    drop(spool);
    let path = setting.segments().remove(0);
    let one = HEADER + record(1).size();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(one).unwrap();
    let (mut spool, _) = setting.open(1 << 20);
    spool.append(&record(4)).unwrap();
    drop(spool);
    let (mut spool, _) = setting.open(1 << 20);
    assert_eq!(samples(&drain(&mut spool).0), [4]);
}

#[test]
fn when_there_is_too_much_the_oldest_goes_and_is_counted() {
    let setting = Setting::new();
    let limit = 4000;
    let (mut spool, _) = setting.open(limit);
    let mut lost = 0;
    for number in 1..=500 {
        lost += spool.append(&record(number)).unwrap().iter().map(|loss| loss.samples).sum::<u64>();
        assert!(spool.bytes_on_disk() <= limit);
    }
    let on_disk: u64 = setting.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(on_disk <= limit && on_disk > limit / 2, "{on_disk}");
    assert_eq!(spool.samples() + lost, (1..=500).sum::<u64>());
    let left = samples(&drain(&mut spool).0);
    assert_eq!(left, (left[0]..=500).collect::<Vec<_>>(), "the newest, without a gap");
}

#[test]
fn sent_segments_are_removed() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(4000);
    for number in 1..=500 {
        assert!(spool.append(&record(number)).unwrap().iter().all(|loss| loss.samples == 0));
        let (place, found) = spool.front().0.unwrap();
        assert_eq!(found.samples, number);
        spool.done(place);
    }
    assert!(setting.segments().len() <= 2, "{:?}", setting.segments());
}

#[test]
fn a_request_larger_than_all_that_may_wait_is_refused() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(40);
    let error = spool.append(&record(1)).unwrap_err().to_string();
    assert!(error.contains("40 may wait"), "{error}");
    assert_eq!((spool.bytes(), spool.samples()), (0, 0));
}

#[test]
fn a_file_that_vanishes_costs_only_what_was_in_it() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(4000);
    for number in 1..=20 {
        spool.append(&record(number)).unwrap();
    }
    let paths = setting.segments();
    assert!(paths.len() > 2);
    fs::remove_file(&paths[0]).unwrap();
    let (records, losses) = drain(&mut spool);
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].reason, "disk");
    let left: u64 = records.iter().map(|record| u64::from(record.samples)).sum();
    assert_eq!(left + losses[0].samples, (1..=20).sum::<u64>());
}

#[test]
fn what_has_been_sent_makes_room_on_a_full_disk() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    spool.append(&record(1)).unwrap();
    let full = setting.segments().remove(0);
    spool.close_for_tests();
    fs::remove_file(&full).unwrap();
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    assert!(spool.append(&record(2)).is_err());
    assert_eq!(spool.samples(), 1, "it is not removed before it is sent");
    spool.sent = (spool.segments[0].bytes, 1);
    spool.append(&record(2)).unwrap();
    assert_eq!(samples(&drain(&mut spool).0), [2]);
}

#[test]
fn damage_while_the_exporter_runs_is_counted() {
    let setting = Setting::new();
    let (mut spool, _) = setting.open(1 << 20);
    for number in 1..=4 {
        spool.append(&record(number)).unwrap();
    }
    let path = setting.segments().remove(0);
    let whole = fs::read(&path).unwrap();
    for at in [0, 40, whole.len() / 2, whole.len() - 1, usize::try_from(HEADER + record(1).size()).unwrap()] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        spool.sent = (0, 0);
        let (records, losses) = drain(&mut spool);
        assert_eq!(records.len(), 3, "byte {at}");
        let left: u64 = records.iter().map(|record| u64::from(record.samples)).sum();
        let lost: u64 = losses.iter().map(|loss| loss.samples).sum();
        assert_eq!((left + lost, spool.samples()), (10, 0), "byte {at}: {losses:?}");
    }
}

#[test]
fn what_is_no_file_of_ours_blocks_nothing_and_costs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::open(&folder.path().join("spool")).unwrap());
    let (mut spool, _) = Spool::open(&directory, "target", 1 << 20).unwrap();
    spool.append(&record(1)).unwrap();
    let place = spool.folder().to_owned();
    drop(spool);
    // A segment that never ends, one that is a directory, and the highest number.
    let odd = |number: u64| place.join(segment::name(number));
    fs::File::create(odd(7)).unwrap().set_len(4 << 40).unwrap();
    fs::create_dir(odd(8)).unwrap();
    fs::write(odd(u64::MAX), "x").unwrap();
    let (mut spool, said) = Spool::open(&directory, "target", 1 << 20).unwrap();
    assert_eq!((said.len(), spool.samples()), (3, 1), "{said:?}");
    spool.append(&record(2)).unwrap();
    assert_eq!(spool.samples(), 3);
    // Whoever removes the directory takes what waits with it.
    fs::remove_dir_all(&place).unwrap();
    let losses = spool.append(&record(4)).unwrap();
    assert_eq!(losses, [Loss { reason: "disk", samples: 3 }]);
    assert_eq!(spool.samples(), 4);
    // What is no file is not opened.
    for name in ["ack", "lock"] {
        let other = tempfile::tempdir().unwrap();
        fs::create_dir(other.path().join(name)).unwrap();
        assert!(directory::must_be_file(&other.path().join(name)).is_err());
    }
}
