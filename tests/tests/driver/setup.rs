//! A card with four cables, a way to it, and the bridge that most checks are about.

use smartnic_driver::device::host::HostConfig;
use smartnic_driver::device::{Device, MacAddr};
use smartnic_driver::netdev::NetError;
use smartnic_driver::pci::{DeviceSpec, PciTransport};
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::model::Model;
use smartnic_hdl::params::Params;
use smartnic_sim::card::runner::{CardHandle, RunnerSettings};
use smartnic_sim::card::{Card, CardSettings};
use smartnic_sim::gmii::Transmission;
use smartnic_sim::ports::queue::QueuePort;
use smartnic_sim::vfio_user::VfioUserServer;
use smartnic_tests::inprocess::SimCard;
use smartnic_verilated::{Design, Opt, Options};
use std::path::PathBuf;
use std::sync::OnceLock;

/// How the driver reaches the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    InProcess,
    VfioUser,
}

/// Frames by port.
pub type Frames = [Vec<Vec<u8>>; 4];

/// A card, its cables and its server.
pub struct Bench {
    way: Way,
    pub cables: [QueuePort; 4],
    card: CardHandle,
    server: Option<VfioUserServer>,
    dir: tempfile::TempDir,
}

pub fn params() -> Params {
    Params::for_ports(4)
}

/// Cycles in which anything here comes to rest.
const REST: u64 = 3_000_000;

fn power_up(cables: &[QueuePort; 4]) -> CardHandle {
    static DESIGN: OnceLock<Design> = OnceLock::new();
    let design = DESIGN.get_or_init(|| {
        let top = smartnic_hdl::top::gated(&params()).expect("parameters in range");
        smartnic_hdl::rtl::design(&top)
    });
    let model = Options {
        opt: Opt::Fast,
        ..Options::default()
    };
    let settings = CardSettings {
        model,
        ..CardSettings::default()
    };
    let mut card = Card::from_design(design, &settings).expect("a card");
    for (i, cable) in cables.iter().enumerate() {
        card.attach(i + 1, Box::new(cable.clone())).expect("a port");
    }
    // Time does not pass by itself: ticks are what a test adds.
    CardHandle::spawn(card, RunnerSettings { real_time: false }).expect("a thread")
}

impl Bench {
    pub fn new(way: Way) -> Bench {
        let cables = [(); 4].map(|()| QueuePort::new());
        let card = power_up(&cables);
        let dir = tempfile::tempdir().expect("a folder");
        let mut bench = Bench {
            way,
            cables,
            card,
            server: None,
            dir,
        };
        bench.serve();
        bench
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("card.sock")
    }

    fn serve(&mut self) {
        if self.way == Way::VfioUser {
            let server = VfioUserServer::start(&self.path(), self.card.clone());
            self.server = Some(server.expect("a server"));
        }
    }

    /// What the driver opens.
    pub fn spec(&self) -> DeviceSpec {
        DeviceSpec::VfioUser(self.path())
    }

    /// The way to the card.
    pub fn open(&self) -> Box<dyn PciTransport> {
        match self.way {
            Way::InProcess => SimCard::transport(self.card.clone()),
            Way::VfioUser => self.spec().open().expect("the socket"),
        }
    }

    pub fn probe(&self) -> Device {
        Device::probe(self.open()).expect("a card")
    }

    /// A switch over the card, nothing configured yet.
    pub fn switch(&self) -> Switch {
        Switch::new(self.open(), host_config(), base()).expect("a switch")
    }

    /// The card's process dies: its server with it.
    pub fn kill(&mut self) {
        self.card.stop().expect("it ran");
        self.server = None;
    }

    /// Another card is powered up in its place, on the same cables.
    pub fn revive(&mut self) {
        self.card = power_up(&self.cables);
        self.serve();
    }

    /// Runs the card until nothing moves. Writes of the driver must have arrived: read a register before.
    pub fn settle(&self) {
        let rests = self.card.call(|card| {
            card.refresh_links();
            card.run(REST)
        });
        assert!(rests.expect("a card"), "the card does not come to rest");
    }

    /// Runs the card for some cycles and no longer.
    pub fn run(&self, cycles: u64) {
        let ran = self.card.call(move |card| {
            card.wake();
            (0..cycles).for_each(|_| card.step());
        });
        ran.expect("a card");
    }

    /// Puts frames on the cables; they are not on their way yet.
    pub fn queue(&self, frames: &[(usize, Vec<u8>)]) {
        for (port, frame) in frames {
            self.cables[*port - 1].send(Transmission::new(frame.clone()));
        }
    }

    /// What came out of the ports, checked as the wire's other end does.
    pub fn take(&self) -> Frames {
        self.cables.each_ref().map(|cable| {
            let mut frames = vec![];
            while let Some(received) = cable.receive() {
                received.check(1518).expect("a good frame");
                frames.push(received.frame);
            }
            frames
        })
    }

    /// Sends frames, each into its port (from 1), and gives what came out when all is still.
    pub fn exchange(&self, switch: &mut Switch, frames: &[(usize, Vec<u8>)]) -> Frames {
        switch
            .device(|device| device.check_alive())
            .expect("a card");
        self.queue(frames);
        self.settle();
        self.take()
    }
}

/// Small rings, and an interrupt for each completion.
pub fn host_config() -> HostConfig {
    HostConfig {
        ring_log2: 5,
        moderation_count: 1,
        moderation_us: 0,
        ..HostConfig::default()
    }
}

/// Address of the first port.
pub fn base() -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, 0x10])
}

/// A station behind a port (from 1).
pub fn station(port: u8, number: u8) -> MacAddr {
    MacAddr([2, 0xaa, 0, 0, port, number])
}

/// br0 over port1, port2 and lag0 of port3 and port4.
pub fn demo(model: &mut Model) -> Result<(), NetError> {
    model.add("br0", "bridge", MacAddr([2, 9, 9, 9, 9, 9]))?;
    model.add("lag0", "lag", MacAddr([2, 9, 9, 9, 9, 8]))?;
    model.set_option("lag0", "xmit_hash_policy", "layer3+4")?;
    for (member, master) in [
        ("port3", "lag0"),
        ("port4", "lag0"),
        ("port1", "br0"),
        ("port2", "br0"),
        ("lag0", "br0"),
    ] {
        model.enslave(member, master)?;
    }
    for name in ["port1", "port2", "lag0", "br0"] {
        model.set_up(name, true)?;
    }
    Ok(())
}

/// A card that is set up as [`demo`] says, links up.
pub fn demo_switch(way: Way) -> (Bench, Switch) {
    let bench = Bench::new(way);
    let mut switch = bench.switch();
    switch.change(demo).expect("a bridge");
    bench.links(&mut switch);
    (bench, switch)
}

impl Bench {
    /// Lets the driver see the links as they are.
    pub fn links(&self, switch: &mut Switch) {
        switch
            .device(|device| device.check_alive())
            .expect("a card");
        self.settle();
        switch.settle_links().expect("links");
        switch
            .device(|device| device.check_alive())
            .expect("a card");
    }
}

/// A UDP datagram in IPv4: what the layer3+4 hash reads is `from` and `to`, the ports.
pub fn udp(destination: MacAddr, source: MacAddr, from: u16, to: u16) -> Vec<u8> {
    let mut frame = [destination.0, source.0].concat();
    frame.extend([0x08, 0x00]);
    let total = 60u16 - 14;
    frame.extend([0x45, 0, total.to_be_bytes()[0], total.to_be_bytes()[1]]);
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(from.to_be_bytes());
    frame.extend(to.to_be_bytes());
    frame.resize(60, 0x5a);
    frame
}

/// Frames by port, none anywhere.
pub fn none() -> Frames {
    Default::default()
}
