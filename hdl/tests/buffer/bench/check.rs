//! The plain model: what each record, copy and beat must be.

use super::{Bench, Copy, Enqueue, Record};

impl Bench {
    pub(super) fn take_record(&mut self) {
        let v: Vec<u64> = self.ids.done.iter().map(|i| self.dut.get(*i)).collect();
        let source = v[1] as usize;
        let f = self.sources[source]
            .unrecorded
            .pop_front()
            .expect("a record without a frame");
        let nocell = v[6] == 1;
        assert_eq!(v[5] == 1, f.err, "done_err");
        let cells = f.bytes.len().div_ceil(64) as u64;
        self.totals.records += 1;
        self.totals.erred += f.err as u64;
        if nocell {
            self.totals.nocell += 1;
            assert_eq!(v[3], 0, "no cells are held");
        } else {
            assert_eq!(
                (v[3], v[4]),
                (cells, f.bytes.len() as u64),
                "done_cells, done_length"
            );
        }
        self.records.push_back(Record {
            source,
            head: v[2],
            cells: v[3],
            length: v[4],
            err: f.err,
            nocell,
            bytes: f.bytes,
        });
    }

    /// The copies of an accepted frame: the hardware tells the fate of the k-th four cycles after that.
    pub(super) fn accept(&mut self, e: Enqueue) {
        if e.record.cells == 0 {
            return;
        }
        let mut k = 0;
        for d in 0..self.sinks.len() {
            if e.dest >> d & 1 == 1 {
                let copy = Copy {
                    bytes: e.record.bytes.clone(),
                    source: e.record.source,
                    meta: e.meta.clone(),
                };
                self.fates
                    .push_back((self.cycle + 4 + k, d, (e.class != 0) as usize, copy));
                k += 1;
                self.totals.copies += 1;
            }
        }
    }

    pub(super) fn settle(&mut self, full: u64) {
        let mut seen = 0;
        while let Some(f) = self.fates.front() {
            if f.0 > self.cycle {
                break;
            }
            let (_, d, class, copy) = self.fates.pop_front().unwrap();
            if full >> d & 1 == 1 {
                self.totals.queue_full[d] += 1;
                seen |= 1 << d;
            } else {
                self.sinks[d].expected[class].push_back(copy);
            }
        }
        assert_eq!(full, seen, "drop_queue_full without a copy");
    }

    pub(super) fn take_beat(&mut self, d: usize) {
        self.totals.beats_out += 1;
        let host = d == self.hosts();
        let ids = self.ids.sink[d];
        let data: Vec<u8> = self
            .dut
            .get_wide(ids[1])
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        let (keep, sop, eop) = (
            self.dut.get(ids[2]),
            self.dut.get(ids[3]),
            self.dut.get(ids[4]),
        );
        let sink = &mut self.sinks[d];
        assert_eq!(sop == 1, !sink.in_frame, "sop at {d}");
        if sop == 0 {
            let gap = self.cycle - sink.last_beat;
            self.totals.longest_gap = self.totals.longest_gap.max(gap);
        }
        sink.last_beat = self.cycle;
        let n = keep.count_ones();
        assert_eq!(keep, (1u64 << n) - 1, "keep is contiguous");
        assert!(
            n > 0 && (eop == 1 || n == self.params.beat_bytes()),
            "keep {keep:#x} at {d}"
        );
        if sop == 1 && host {
            let h = &self.ids.host;
            sink.header = Some((
                self.dut.get_wide(h[0]).to_vec(),
                self.dut.get(h[1]),
                self.dut.get(h[2]),
                self.dut.get(h[3]),
            ));
        }
        sink.bytes.extend(&data[..n as usize]);
        sink.in_frame = eop == 0;
        if eop == 0 {
            return;
        }
        let bytes = std::mem::take(&mut sink.bytes);
        // The higher class first; copies that were flushed before this one are skipped (which is seen only now).
        let header = sink.header.take();
        let next = |c: &usize| {
            let seen = &sink.expected[*c];
            let n = seen.len().min(sink.lost as usize + 1);
            let same = |f: &Copy| f.bytes == bytes && header.as_ref().is_none_or(|h| h.0 == f.meta);
            Some((*c, seen.iter().take(n).position(same)?))
        };
        let Some((class, skipped)) = [1, 0].iter().find_map(next) else {
            panic!(
                "sink {d} got a frame of {} bytes that is not next",
                bytes.len()
            );
        };
        sink.lost -= skipped as u64;
        let f = sink.expected[class].drain(..=skipped).next_back().unwrap();
        sink.log.push(class);
        self.totals.delivered += 1;
        if let Some((meta, length, source, c)) = header {
            assert_eq!(
                (meta, length),
                (f.meta, bytes.len() as u64),
                "out_meta, out_length"
            );
            assert_eq!(
                (source as usize, (c != 0) as usize),
                (f.source, class),
                "out_source, out_class"
            );
        }
    }
}
