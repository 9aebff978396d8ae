//! Calls of the control socket, any bytes and any sequence of calls, by the real service over a card at register level: nothing panics, every refusal
//! has a code that the interface description names, a refused call changes neither the configuration nor the card, with the exceptions that the kernel makes for bridges in software, and the next good call works.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smartnic_driver::clock::Clock;
use smartnic_driver::control::service::{Outcome, handle};
use smartnic_driver::control::wire::{self, Call, WireError};
use smartnic_driver::control::{INTERFACE, NAME};
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::switch::Switch;
use smartnic_regs::{lag, port, reserved};

use super::Input;
use super::calls::{METHODS, parameters};
use crate::fake::{Fake, Shape};

struct Bed {
    fake: Fake,
    switch: Switch,
    clock: Clock,
}

impl Bed {
    fn new() -> Self {
        let fake = Fake::new(Shape::default());
        let config = HostConfig {
            ring_log2: 4,
            event_log2: 4,
            ..Default::default()
        };
        let base = MacAddr([2, 0, 0, 0, 0, 0x10]);
        let mut switch = Switch::new(fake.transport(), config, base).expect("a good card");
        let clock = Clock::manual();
        switch.set_clock(clock.clone());
        Self {
            fake,
            switch,
            clock,
        }
    }

    fn call(&mut self, call: &Call) -> Result<Value, WireError> {
        match handle(&mut self.switch, call)? {
            Outcome::Reply(value) => Ok(value),
            Outcome::Monitor(_) => Ok(Value::Null),
            Outcome::Listing(mut listing) => loop {
                // A step goes on until then: place by place.
                if let Some(value) = listing.step(&mut self.switch, Instant::now())? {
                    return Ok(value);
                }
            },
        }
    }

    fn ours(&mut self, method: &str, parameters: Value) -> Result<Value, WireError> {
        let call = json!({ "method": format!("{NAME}.{method}"), "parameters": parameters });
        self.call(&serde_json::from_value(call).expect("a call"))
    }

    /// What was configured, and what is in the card's tables.
    fn state(&mut self) -> Vec<Value> {
        let mut all: Vec<Value> = ["ListLinks", "ListMdb", "ListFdb"]
            .map(|list| self.ours(list, json!({})).expect("lists are given"))
            .into();
        let card = self.fake.state();
        let tables = [
            port::CONFIG,
            port::MAC,
            reserved::ACTION,
            lag::DISTRIBUTING,
            lag::COLLECTING,
        ];
        for reg in tables {
            all.push((0..reg.count).map(|i| json!(card.get(reg, i))).collect());
        }
        all.push(json!(format!("{:?}", card.buckets)));
        all
    }

    /// A call that is refused has a code and changes nothing.
    fn try_call(&mut self, call: &Call) {
        let before = self.state();
        let exempt = by_the_kernels_rules(&before, call);
        let Err(error) = self.call(call) else {
            return;
        };
        let known = match error.name.strip_prefix(&format!("{NAME}.")) {
            Some(code) => INTERFACE.contains(&format!("error {code} ")),
            None => error.name.starts_with("org.varlink.service."),
        };
        assert!(known, "{call:?}: {error:?} is in no description");
        let after = self.state();
        assert!(
            exempt || after == before,
            "{call:?} was refused, {error:?}, and changed {before:?} to {after:?}"
        );
    }
}

/// Where a refused call may leave something: a bridge in software takes options one after the other, as the kernel does, and one that the call has brought
/// there and back has learned nothing yet.
fn by_the_kernels_rules(before: &[Value], call: &Call) -> bool {
    let links = before[0]["links"].as_array().expect("links");
    let in_software =
        |link: &Value| link["linkinfo"]["info_data"]["offload"]["ageing_time"] == false;
    let asked = json!(call.parameters);
    let text = asked.to_string();
    let beyond = ["vlan_filtering", "fastleave"]
        .iter()
        .any(|o| text.contains(o));
    let foreign = asked["name"] == "v7" && !asked["master"].is_null();
    let by_vlan = call.method.contains("Vlan") || call.method.ends_with("SetMst");
    links.iter().any(in_software) || beyond || foreign || by_vlan
}

#[test]
fn control() {
    bolero::check!().with_max_len(400).for_each(|bytes: &[u8]| {
        let mut bed = Bed::new();
        // As they come from the socket.
        match wire::parse(bytes) {
            Ok(call) => bed.try_call(&call),
            Err(error) => assert_eq!(error.name, format!("{NAME}.Malformed")),
        }
        let mut input = Input(bytes);
        while !input.is_empty() {
            let method = input.pick(METHODS);
            let call = Call {
                method: format!("{NAME}.{method}"),
                parameters: Some(parameters(&mut input, method)),
                oneway: false,
                more: input.one_in(2),
                upgrade: false,
            };
            bed.try_call(&call);
            if input.one_in(4) {
                let time = Duration::from_millis(u64::from(input.byte()) * 20);
                bed.clock.advance(time);
            }
            bed.switch.poll().expect("the card is there");
        }
        bed.ours("GetVersion", json!({})).expect("a good call");
        let add = json!({ "name": "last%d", "type": "bridge" });
        let name = bed.ours("AddLink", add).expect("a good call")["name"].take();
        bed.ours("DeleteLink", json!({ "name": name }))
            .expect("a good call");
    });
}
