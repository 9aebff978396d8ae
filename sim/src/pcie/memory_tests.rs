//! Tests of `memory`.

use super::*;

fn memory(pages: usize) -> SharedMemory {
    SharedMemory::new("test", pages * PAGE as usize).unwrap().0
}

#[test]
fn accesses_cross_mappings_and_stop_at_holes() {
    let (a, b) = (memory(1), memory(2));
    let mut table = DmaTable::new();
    table
        .map(0x1000, 0x1000, Some(a.clone()), true, true)
        .unwrap();
    table
        .map(0x2000, 0x2000, Some(b.clone()), true, false)
        .unwrap();
    b.write(0, &[5, 6, 7]).unwrap();
    a.write(0xffd, &[2, 3, 4]).unwrap();
    let mut out = [0; 6];
    table.read(0x1ffd, &mut out).unwrap();
    assert_eq!(out, [2, 3, 4, 5, 6, 7]);
    assert!(
        table.write(0x1ffd, &[9; 6]).is_none(),
        "the second page is read-only"
    );
    table.read(0x1ffd, &mut out).unwrap();
    assert_eq!(out, [2, 3, 4, 5, 6, 7], "nothing of a refused write lands");
    table.write(0x1ff9, &[1, 2, 3, 4, 5, 6, 7]).unwrap();
    assert!(table.read(0x3ffd, &mut out).is_none());
    assert!(table.read(0xfff, &mut out).is_none());
    assert!(table.read(u64::MAX - 2, &mut out).is_none());
    let mut all = [0; 7];
    a.read(0xff9, &mut all).unwrap();
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 7]);
    assert!(a.read(0xffe, &mut all).is_none());
}

#[test]
fn mappings_are_checked() {
    let mut table = DmaTable::new();
    table
        .map(0x4000, 0x2000, Some(memory(2)), true, true)
        .unwrap();
    for (iova, size) in [
        (0x4000, 0x1000),
        (0x5000, 0x1000),
        (0x3000, 0x2000),
        (0, 0x10000),
    ] {
        let error = table.map(iova, size, None, true, true).unwrap_err();
        assert_eq!(
            error,
            MapError::Overlap {
                iova,
                size,
                other: 0x4000
            }
        );
    }
    for (iova, size) in [(1, 0x1000), (0, 1), (0, 0), (u64::MAX - 0xfff, 0x2000)] {
        assert_eq!(
            table.map(iova, size, None, true, true),
            Err(MapError::Pages { iova, size })
        );
    }
    let small = table.map(0x8000, 0x2000, Some(memory(1)), true, true);
    assert_eq!(
        small,
        Err(MapError::Small {
            size: 0x2000,
            memory: 0x1000
        })
    );
    table
        .map(u64::MAX - 0xfff, 0x1000, None, true, true)
        .unwrap();
    assert!(
        table.read(u64::MAX - 0xfff, &mut [0]).is_none(),
        "mapped, but not reachable"
    );
    assert!(matches!(
        table.unmap(0x5000, 0x1000),
        Err(MapError::Cut { other: 0x4000, .. })
    ));
    assert_eq!(table.unmap(0x4000, 0x2000), Ok(0x2000));
    assert_eq!(table.unmap(0x4000, 0x2000), Ok(0));
}

#[test]
fn a_file_that_is_too_short_is_refused() {
    let (_, file) = SharedMemory::new("short", 4096).unwrap();
    assert!(SharedMemory::from_file(&file, 0, 8192, true).is_err());
    assert!(SharedMemory::from_file(&file, 4096, 4096, true).is_err());
    assert!(SharedMemory::from_file(&file, 0, 0, true).is_err());
    let read_only = SharedMemory::from_file(&file, 0, 4096, false).unwrap();
    assert!(read_only.write(0, &[1]).is_none() && read_only.read(0, &mut [0]).is_some());
}
