//! The old ways in: brctl's and ifenslave's verbs, the order of their checks and their codes.

use smartnic_driver::device::MacAddr;
use smartnic_regs::port;
use smartnic_regs::values::state;

use crate::fake::Shape;
use crate::harness::{Running, start};
use crate::switch::field;

fn refused(running: &Running, cases: &[(&str, &str)]) {
    for (line, text) in cases {
        assert_eq!(
            running.ctl(line).unwrap_err(),
            ((*text).into(), 2),
            "{line}"
        );
    }
}

#[test]
fn bridges_by_brctls_verbs() {
    let running = start(Shape::default());
    running.ctl_ok(&[
        "br addbr br0",
        "br addbr br%d",
        "br addif br0 port1",
        "br addif br0 port2",
        "link set port1 up",
        "link set br0 up",
    ]);
    assert_eq!(
        running.ctl("br show").unwrap(),
        "bridge name  bridge id          STP enabled  interfaces\n\
         br0          8000.020000000010  no           port1\n\
         \x20                                            port2\n\
         br1          8000.000000000000  no\n"
    );
    refused(
        &running,
        &[
            (
                "br addbr br0",
                "argument \"br0\" is wrong: bridge: there is an interface of this name already (EEXIST)",
            ),
            (
                "br addbr a/b",
                "argument \"a/b\" is wrong: bridge: a name is not . or .. and has no '/', ':', white space or control characters (EINVAL)",
            ),
            (
                "br delbr br7",
                "argument \"br7\" is wrong: bridge: there is no such interface (ENXIO)",
            ),
            (
                "br delbr port1",
                "argument \"port1\" is wrong: bridge: it is no bridge (EPERM)",
            ),
            (
                "br delbr br0",
                "argument \"br0\" is wrong: bridge: it is up: set it down first (EBUSY)",
            ),
            (
                "br addif br7 port3",
                "argument \"br7\" is wrong: bridge: there is no such interface (ENODEV)",
            ),
            (
                "br addif port1 port3",
                "argument \"port1\" is wrong: bridge: it is no bridge (EOPNOTSUPP)",
            ),
            (
                "br addif br0 port9",
                "argument \"port9\" is wrong: port: there is no such interface (EINVAL)",
            ),
            (
                "br addif br0 br1",
                "argument \"br1\" is wrong: port: it is a bridge, and bridges in bridges may be loops (ELOOP)",
            ),
            (
                "br addif br1 port1",
                "argument \"port1\" is wrong: port: it is in br0 already (EBUSY)",
            ),
            (
                "br delif br1 port1",
                "argument \"port1\" is wrong: port: it is no port of this bridge (EINVAL)",
            ),
            (
                "link set br1 master br0",
                "argument \"br0\" is wrong: master: br1 cannot be a port of a bridge: ports of the card, lags and bonds can (ELOOP)",
            ),
        ],
    );
    running.ctl_ok(&[
        "br stp br0 on",
        "br setbridgeprio br0 4096",
        "br sethello br0 1.5",
        "br setpathcost br0 port1 77",
        "br setportprio br0 port1 5",
    ]);
    let shown = running.ctl("-d link show br0").unwrap();
    for word in [
        "stp_state 1",
        "priority 4096",
        "hello_time 150",
        "root_id 1000.2:0:0:0:0:10",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let port = running.ctl("-d link show port1").unwrap();
    assert!(
        port.contains(" cost 77 ") && port.contains(" id 0x1401 "),
        "{port}"
    );
    assert_eq!(
        field(&running.fake, 0, port::CONFIG::STATE),
        state::LISTENING
    );
    let (error, code) = running.ctl("br setpathcost br0 port3 5").unwrap_err();
    assert_eq!(
        (error.as_str(), code),
        ("argument \"port3\" is wrong: it is no port of br0", 1)
    );
    running.ctl_ok(&["br delif br0 port1", "link set br0 down", "br delbr br0"]);
    assert_eq!(running.fake.state().get(port::CONFIG, 0), 0);
    // By link a bridge goes while it is up.
    running.ctl_ok(&["link set br1 up", "link del br1"]);
    assert_eq!(running.ctl("-j br show").unwrap(), "[]\n");
}

#[test]
fn bonds_by_ifenslaves_verbs() {
    let running = start(Shape::default());
    running.ctl_ok(&[
        "link add bond0 type bond mode active-backup miimon 100",
        "link add bond1 type bond",
        "link add br0 type bridge",
        "link set port1 up",
        "link set port2 up",
        "bond enslave bond0 port1",
        "bond enslave bond0 port2",
        "link set bond0 up",
    ]);
    let address = |name: &str| -> MacAddr {
        let shown = running.ctl(&format!("link show {name}")).unwrap();
        let address = shown.split("link/ether ").nth(1).unwrap();
        address.split(' ').next().unwrap().parse().unwrap()
    };
    let own = |n| MacAddr([2, 0, 0, 0, 0, 0x10]).plus(n);
    assert_eq!(["bond0", "port1", "port2"].map(address), [own(0); 3]);
    refused(
        &running,
        &[
            (
                "bond enslave bond7 port3",
                "argument \"bond7\" is wrong: bond: there is no such interface (ENODEV)",
            ),
            (
                "bond enslave br0 port3",
                "argument \"br0\" is wrong: bond: it is no bond (EOPNOTSUPP)",
            ),
            (
                "bond enslave bond0 port9",
                "argument \"port9\" is wrong: slave: there is no such interface (ENODEV)",
            ),
            (
                "bond enslave bond0 port3",
                "argument \"port3\" is wrong: slave: it is not up and running: set it up, plug it in (EINVAL)",
            ),
            (
                "bond enslave bond1 port1",
                "argument \"port1\" is wrong: slave: it is a slave already (EBUSY)",
            ),
            (
                "bond release bond1 port1",
                "argument \"port1\" is wrong: slave: no slave of this bond (EINVAL)",
            ),
            (
                "bond release bond0 port3",
                "argument \"port3\" is wrong: slave: no slave of this bond (EINVAL)",
            ),
        ],
    );
    running.ctl_ok(&["link set bond0 master br0"]);
    running.ctl_ok(&["link set port3 up"]);
    refused(
        &running,
        &[(
            "bond enslave bond0 port3",
            "argument \"port3\" is wrong: slave: the bond is a slave itself (EBUSY)",
        )],
    );
    running.ctl_ok(&[
        "link set bond0 nomaster",
        "bond enslave bond0 port3",
        "bond release bond0 port1",
    ]);
    // One that came by the ioctl stays up, and has its own address again.
    assert_eq!((address("port1"), address("bond0")), (own(0), own(0)));
    assert!(running.ctl("link show port1").unwrap().contains(",UP"));
    running.ctl_ok(&["bond sethwaddr bond0 port2"]);
    // The bond goes down, and lets go of those that came by the ioctl.
    running.ctl_ok(&["link set bond0 down"]);
    assert_eq!(["port2", "port3"].map(address), [own(1), own(2)]);
    let members = running.ctl("link show").unwrap();
    assert!(!members.contains("master bond0"), "{members}");
    running.ctl_ok(&["link set port2 master br0"]);
}
