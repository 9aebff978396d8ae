//! Many frames at once from all ports while nothing is learned, so that their order does not matter to the reference. All copies must come,
//! and in order for each source, class and destination.

use super::pair::Pair;
use smartnic_refswitch::{Endpoint, Learn};
use smartnic_sim::gmii::Transmission;
use smartnic_sim::ports::acceptable;
use smartnic_tests::rig::ring::HostFrame;
use std::collections::BTreeMap;

/// Copies of one source in one class to one destination, as they must come.
type Flows<T> = BTreeMap<(usize, u8, Endpoint), Vec<T>>;

/// Every copy comes and none besides; each flow in order.
fn agree<T: Ord + Clone + std::fmt::Debug>(came: &[T], flows: &Flows<T>, to: Endpoint) {
    let mine = || flows.iter().filter(|((_, _, e), _)| *e == to);
    let mut want: Vec<T> = mine().flat_map(|(_, f)| f.clone()).collect();
    let mut sorted = came.to_vec();
    want.sort();
    sorted.sort();
    assert_eq!(sorted, want, "to {to:?}");
    for (flow, frames) in mine() {
        let mut rest = came.iter();
        let in_order = frames.iter().all(|f| rest.any(|c| c == f));
        assert!(in_order, "{flow:?}: {frames:x?} came as {came:x?}");
    }
}

impl Pair {
    /// The frames (port, transmission, spoilt by the wire) go in as fast as the wires take them.
    pub fn storm(&mut self, frames: Vec<(usize, Transmission, bool)>) {
        for e in self.switch.endpoints() {
            self.port(e, |p| p.learn = Learn::Off);
        }
        let (mut wires, mut host) = (Flows::<Vec<u8>>::new(), Flows::<HostFrame>::new());
        for (port, t, faulty) in frames {
            println!("storm by {port}: {t:x?}");
            let outcome = self.switch.receive(port, &t.frame, faulty);
            assert_eq!(outcome.event, None, "nothing is learned");
            for copy in &outcome.copies {
                let flow = (port, copy.class, copy.to);
                match self.host_frame(copy) {
                    Some(f) => host.entry(flow).or_default().push(f),
                    None => wires.entry(flow).or_default().push(copy.frame.clone()),
                }
            }
            self.plugs[port].send(t);
            self.frames += 1;
        }
        self.rest();
        for (i, plug) in self.plugs.iter().enumerate() {
            let came: Vec<_> = std::iter::from_fn(|| plug.receive()).collect();
            assert!(came.iter().all(acceptable), "faults out of port {i}");
            let came: Vec<_> = came.into_iter().map(|f| f.frame).collect();
            agree(&came, &wires, Endpoint::Port(i));
        }
        let came = self.receive.poll(&mut self.rig).expect("polled");
        agree(&came, &host, Endpoint::Host);
        self.tally.taken += came.len() as u64;
        self.compare_events(vec![]);
    }
}
