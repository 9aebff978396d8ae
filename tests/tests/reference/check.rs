//! Everything that can be read, compared.

use super::pair::{Pair, Tally};
use super::told::{settled, told};
use super::traffic;
use smartnic_refswitch::{Counter, Endpoint, Key};
use smartnic_regs::values::counter;
use smartnic_regs::{fdb, lag, queue};
use smartnic_tests::rig::fdb::FdbEntry;

impl Pair {
    /// Compares every counter and the FDB, by looking every key up.
    pub fn check(&mut self) {
        for e in self.switch.endpoints() {
            let n = self.number(e);
            for c in Counter::ALL {
                let (number, name) = *counter::NAMES
                    .iter()
                    .find(|x| x.1 == c.name())
                    .expect("a counter of the card");
                let mut want = self.switch.counters(e).get(*c);
                match (e, *c) {
                    (Endpoint::Host, Counter::RxFrames) => want = self.tally.sent,
                    (Endpoint::Host, Counter::TxFrames) => want = self.tally.taken,
                    (Endpoint::Host, Counter::RxBytes | Counter::TxBytes) => continue,
                    _ => {}
                }
                let before = self.before.get(&(n, number)).copied().unwrap_or(0);
                assert_eq!(
                    self.rig.counter(n, number).expect("read") - before,
                    want,
                    "{name} of {e:?}"
                );
            }
            for never in [
                counter::DROP_NO_CELL,
                counter::DROP_QUEUE_FULL,
                counter::RX_OVERFLOW,
                counter::TX_UNDERRUN,
            ] {
                assert_eq!(
                    self.rig.counter(n, never).expect("read"),
                    0,
                    "counter {never} of {e:?}"
                );
            }
        }
        for g in 0..self.switch.groups.len() {
            let want = self.switch.groups[g].no_member;
            assert_eq!(
                u64::from(self.read(&lag::NO_MEMBER, g as u32)),
                want,
                "NO_MEMBER of group {g}"
            );
        }
        assert_eq!(
            u64::from(self.read(&lag::PRUNED, 0)),
            self.switch.pruned,
            "PRUNED"
        );
        let came = [
            fdb::USED,
            fdb::LEARNED,
            fdb::MOVED,
            fdb::AGED,
            fdb::REFUSED,
            fdb::LEARNS_LOST,
            fdb::EVENTS_LOST,
        ]
        .map(|r| self.read(&r, 0));
        let Tally {
            learned,
            moved,
            aged,
            ..
        } = self.tally;
        let used = self.switch.fdb.len() as u32;
        assert_eq!(
            came,
            [used, learned, moved, aged, 0, 0, 0],
            "USED, LEARNED, MOVED, AGED, REFUSED, LEARNS_LOST, EVENTS_LOST"
        );
        assert_eq!(self.read(&queue::FAULT, 0), 0, "cell accounting");
        for (fid, mac) in traffic::FIDS
            .iter()
            .flat_map(|f| traffic::addresses().into_iter().map(|m| (*f, m)))
        {
            let want = self
                .switch
                .fdb
                .get(Key { fid, mac })
                .map(|e| told(Key { fid, mac }, e));
            let came = self
                .rig
                .fdb_get(mac, fid.into())
                .expect("looked up")
                .map(settled);
            assert_eq!(came, want.map(settled), "entry {mac:x?} in FID {fid}");
        }
    }

    /// Compares the FDB as it is read place by place.
    pub fn check_dump(&mut self) {
        let mut want: Vec<FdbEntry> = self
            .switch
            .fdb
            .iter()
            .map(|(k, e)| settled(told(*k, *e)))
            .collect();
        want.sort();
        let came: Vec<FdbEntry> = self
            .rig
            .fdb_dump()
            .expect("read")
            .into_iter()
            .map(settled)
            .collect();
        assert_eq!(came, want, "the whole FDB");
    }

    /// Cycles of the card until now.
    pub fn cycles(&self) -> u64 {
        self.rig.card.cycle()
    }

    /// What was met on the way, resets of the switch included: counters of all ports together and other totals, to tell that a
    /// run has reached everything.
    pub fn met(&self) -> Vec<(&'static str, u64)> {
        let sum = |c: &Counter| {
            let of = |e: &Endpoint| self.switch.counters(*e).get(*c);
            self.switch.endpoints().iter().map(of).sum()
        };
        let mut met: Vec<_> = Counter::ALL.iter().map(|c| (c.name(), sum(c))).collect();
        let t = &self.tally;
        let no_member = self.switch.groups.iter().map(|g| g.no_member).sum();
        met.extend([
            ("pruned", self.switch.pruned),
            ("no_member", no_member),
            ("learned", t.learned.into()),
            ("moved", t.moved.into()),
            ("aged", t.aged.into()),
            ("unknown sources", t.unknown),
            ("sent by the host", t.sent),
            ("refused", t.refused),
            ("to the host", t.taken),
        ]);
        for (sum, before) in met.iter_mut().zip(&self.met_before) {
            sum.1 += before.1;
        }
        met
    }
}
