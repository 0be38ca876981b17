use super::Memory;

#[test]
fn the_kernels_figures_are_read() {
    let status = "Name:\tadit\nVmLck:\t       4 kB\nVmData:\t  100 kB\nRssAnon:\t      60 kB\nThreads:\t7\n";
    let maps = "10-20 r--p 0 0 0\n20-30 rw-p 0 0 0 [heap]\n30-40 ---p 0 0 0\n";
    let want = Memory {
        used_bytes: 60 << 10,
        total_bytes: 100 << 10,
        locked_bytes: 4 << 10,
        mappings: 2,
        mappings_aside: 1,
    };
    assert_eq!(Memory::of(status, maps), want);
    assert_eq!(Memory::of("", "x"), Memory { mappings: 1, ..Memory::default() });
}

#[test]
fn what_is_used_is_part_of_all() {
    let found = Memory::of_process();
    assert!(found.used_bytes <= found.total_bytes, "{found:?}");
}
