//! The LACP machines one by one, by frames and by the clock.

#[path = "common/lacp_base.rs"]
mod lacp_base;

use std::time::Duration;

use lacp_base::{GIGABIT, config, millis, secs};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::lacp::{
    Config, Lacp, Link, MuxState, Output, PeriodicState, ReceiveState, Selected,
};
use smartnic_slowpath::wire::lacp::{LacpPdu, Participant, State};
use smartnic_slowpath::wire::marker::{MarkerKind, MarkerPdu};
use smartnic_slowpath::wire::slow::{SlowError, SlowPdu};

const PARTNER: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

/// A system with one port, 1.
fn one_port(config: Config) -> Lacp {
    let mut lacp = Lacp::new(config);
    lacp.add_port(Duration::ZERO, 1, 1, 255, Some(GIGABIT));
    lacp
}

fn drain(lacp: &mut Lacp) -> Vec<Output> {
    std::iter::from_fn(|| lacp.poll()).collect()
}

/// The LACPDUs among the outputs.
fn pdus(lacp: &mut Lacp) -> Vec<LacpPdu> {
    let pdu = |o| match o {
        Output::Send {
            pdu: SlowPdu::Lacp(pdu),
            ..
        } => Some(pdu),
        _ => None,
    };
    drain(lacp).into_iter().filter_map(pdu).collect()
}

/// What a partner that knows all about `port` says.
fn partner_of(lacp: &Lacp, port: u32, state: State) -> LacpPdu {
    LacpPdu {
        version: 1,
        actor: Participant {
            system_priority: 100,
            system: PARTNER,
            key: 7,
            port_priority: 1,
            port: 40 + port as u16,
            state,
        },
        partner: lacp.port(port).unwrap().actor,
        collector_max_delay: 0,
    }
}

fn say(lacp: &mut Lacp, now: Duration, port: u32, pdu: LacpPdu) {
    let frame = SlowPdu::Lacp(pdu).emit_frame(PARTNER);
    lacp.receive(now, port, &frame).unwrap();
}

const GOOD: State = State(0x3d);

#[test]
fn receive_machine() {
    let mut lacp = one_port(config(1));
    let state = |l: &Lacp| l.port(1).unwrap().receive;
    assert_eq!(state(&lacp), ReceiveState::Expired);
    assert!(lacp.port(1).unwrap().actor_state.contains("expired"));
    lacp.tick(millis(2999));
    assert_eq!(state(&lacp), ReceiveState::Expired);
    lacp.tick(secs(3));
    assert_eq!(state(&lacp), ReceiveState::Defaulted);
    let p = lacp.port(1).unwrap();
    assert!(p.actor.state.has(State::DEFAULTED) && !p.actor.state.has(State::EXPIRED));
    // Slow: 90 s from the last LACPDU, then three more.
    let pdu = partner_of(&lacp, 1, GOOD);
    say(&mut lacp, secs(10), 1, pdu);
    let p = lacp.port(1).unwrap();
    assert_eq!(p.receive, ReceiveState::Current);
    assert_eq!(p.partner, pdu.actor);
    assert!(!p.actor.state.has(State::DEFAULTED));
    lacp.tick(millis(99_999));
    assert_eq!(state(&lacp), ReceiveState::Current);
    lacp.tick(secs(100));
    assert_eq!(state(&lacp), ReceiveState::Expired);
    let p = lacp.port(1).unwrap();
    assert!(p.partner.state.has(State::TIMEOUT) && !p.partner.state.has(State::SYNCHRONIZATION));
    assert_eq!(p.periodic, PeriodicState::FastPeriodic);
    lacp.tick(secs(103));
    assert_eq!(state(&lacp), ReceiveState::Defaulted);
    lacp.set_link(secs(104), 1, None);
    assert_eq!(state(&lacp), ReceiveState::PortDisabled);
    lacp.set_link(
        secs(105),
        1,
        Some(Link {
            speed: 100,
            full_duplex: false,
        }),
    );
    let p = lacp.port(1).unwrap();
    assert_eq!(p.receive, ReceiveState::LacpDisabled);
    assert!(!p.actor.state.has(State::AGGREGATION));
    // Fast: three seconds.
    let mut lacp = one_port(Config {
        fast: true,
        ..config(1)
    });
    let pdu = partner_of(&lacp, 1, GOOD);
    say(&mut lacp, secs(1), 1, pdu);
    lacp.tick(millis(3999));
    assert_eq!(state(&lacp), ReceiveState::Current);
    lacp.tick(secs(4));
    assert_eq!(state(&lacp), ReceiveState::Expired);
}

/// Partner_Oper_Port_State.Synchronization by recordPDU (6.4.9).
#[test]
fn partner_in_sync_only_for_this_link() {
    let sync = |change: fn(&mut LacpPdu)| {
        let mut lacp = one_port(config(1));
        let mut pdu = partner_of(&lacp, 1, GOOD);
        change(&mut pdu);
        say(&mut lacp, millis(10), 1, pdu);
        lacp.port(1)
            .unwrap()
            .partner
            .state
            .has(State::SYNCHRONIZATION)
    };
    assert!(sync(|_| {}));
    assert!(!sync(|p| p.partner.port += 1));
    assert!(!sync(|p| p.partner.key += 1));
    assert!(!sync(|p| p.partner.system = PARTNER));
    assert!(!sync(|p| p.partner.system_priority = 0));
    assert!(!sync(|p| p.partner.port_priority = 0));
    assert!(!sync(
        |p| p.actor.state = State(GOOD.0 & !State::SYNCHRONIZATION.0)
    ));
    // An individual partner need not know who is here.
    assert!(sync(|p| {
        p.partner.port += 1;
        p.actor.state = State(GOOD.0 & !State::AGGREGATION.0);
    }));
    // Passive on both sides: nobody would maintain the link.
    assert!(!sync(|p| {
        p.actor.state = State(GOOD.0 & !State::ACTIVITY.0);
        p.partner.state = State(p.partner.state.0 & !State::ACTIVITY.0);
    }));
}

#[test]
fn periodic_and_transmit_machines() {
    let mut lacp = one_port(config(1));
    assert_eq!(pdus(&mut lacp).len(), 1, "the link's first word");
    // EXPIRED supposes a partner with a short timeout: once a second, until DEFAULTED supposes a long one.
    let mut times = Vec::new();
    while let Some(t) = lacp.next_deadline().filter(|t| *t < secs(70)) {
        lacp.tick(t);
        times.extend(pdus(&mut lacp).iter().map(|_| t));
    }
    let seconds: Vec<u64> = times.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds[..3], [1, 2, 3], "{times:?}");
    assert_eq!(seconds[seconds.len() - 2..], [33, 63], "{times:?}");
    // The partner wants to hear once a second.
    let pdu = partner_of(&lacp, 1, State(GOOD.0 | State::TIMEOUT.0));
    say(&mut lacp, secs(70), 1, pdu);
    assert_eq!(lacp.port(1).unwrap().periodic, PeriodicState::FastPeriodic);
    // The limit: a partner that gets everything wrong is told so three times a second.
    drain(&mut lacp);
    let mut sent = Vec::new();
    for ms in (0..3000).step_by(20) {
        let now = secs(80) + millis(ms);
        let mut pdu = partner_of(&lacp, 1, GOOD);
        pdu.partner.key ^= 1;
        say(&mut lacp, now, 1, pdu);
        sent.extend(pdus(&mut lacp).iter().map(|_| now));
    }
    assert_eq!(sent.len(), 9, "{sent:?}");
    // Passive: silent until somebody speaks.
    let mut lacp = one_port(Config {
        active: false,
        ..config(1)
    });
    lacp.tick(secs(40));
    assert!(pdus(&mut lacp).is_empty());
    assert_eq!(lacp.port(1).unwrap().periodic, PeriodicState::NoPeriodic);
    let pdu = partner_of(&lacp, 1, GOOD);
    say(&mut lacp, secs(41), 1, pdu);
    lacp.tick(secs(42));
    assert!(!pdus(&mut lacp).is_empty());
}

#[test]
fn mux_machine_independent_and_coupled() {
    for coupled in [false, true] {
        let mut lacp = one_port(Config {
            coupled,
            ..config(1)
        });
        let mux = |l: &Lacp| l.port(1).unwrap().mux;
        let mut now = millis(100);
        let states = [0x05, 0x0d, 0x1d, 0x0d, 0x05].map(State);
        let wanted = if coupled {
            use MuxState::{Attached as A, Distributing as D};
            [A, D, D, D, A]
        } else {
            use MuxState::{Attached as A, Collecting as C, Distributing as D};
            [A, C, D, C, A]
        };
        let pdu = partner_of(&lacp, 1, states[0]);
        say(&mut lacp, now, 1, pdu);
        assert_eq!(mux(&lacp), MuxState::Waiting);
        now += secs(2);
        lacp.tick(now);
        for (state, wanted) in states.into_iter().zip(wanted) {
            let pdu = partner_of(&lacp, 1, state);
            say(&mut lacp, now, 1, pdu);
            assert_eq!(mux(&lacp), wanted, "coupled {coupled}, {state:?}");
            let p = lacp.port(1).unwrap();
            let collects = matches!(wanted, MuxState::Collecting | MuxState::Distributing);
            assert_eq!(p.actor.state.has(State::COLLECTING), collects);
            assert_eq!(lacp.is_collecting(1), collects);
            assert_eq!(lacp.is_distributing(1), wanted == MuxState::Distributing);
            now += secs(1);
        }
        // Another partner: DETACHED, and a new choice.
        let mut pdu = partner_of(&lacp, 1, GOOD);
        pdu.actor.key = 8;
        say(&mut lacp, now, 1, pdu);
        assert_eq!(mux(&lacp), MuxState::Waiting);
    }
}

#[test]
fn without_a_partner_one_port_works_alone() {
    let mut lacp = Lacp::new(config(1));
    for port in [1, 2] {
        lacp.add_port(Duration::ZERO, port, port as u16, 255, Some(GIGABIT));
    }
    lacp.tick(secs(3));
    assert!(lacp.is_distributing(1) && !lacp.is_distributing(2));
    // The second finds a partner: it is the better aggregator.
    let pdu = partner_of(&lacp, 2, GOOD);
    say(&mut lacp, secs(4), 2, pdu);
    lacp.tick(secs(6));
    let pdu = partner_of(&lacp, 2, GOOD);
    say(&mut lacp, secs(6), 2, pdu);
    assert!(!lacp.is_distributing(1) && lacp.is_distributing(2));
    assert_eq!(lacp.port(1).unwrap().selected, Selected::Standby);
}

#[test]
fn marker_responder_and_counters() {
    let mut lacp = one_port(config(1));
    drain(&mut lacp);
    let marker = MarkerPdu {
        kind: MarkerKind::Marker,
        requester_port: 3,
        requester_system: PARTNER,
        transaction: 77,
    };
    let frame = SlowPdu::Marker(marker).emit_frame(PARTNER);
    lacp.receive(millis(1), 1, &frame).unwrap();
    let answer = Output::Send {
        port: 1,
        pdu: SlowPdu::Marker(marker.response()),
    };
    assert_eq!(drain(&mut lacp), [answer]);
    let response = SlowPdu::Marker(marker.response()).emit_frame(PARTNER);
    lacp.receive(millis(2), 1, &response).unwrap();
    assert_eq!(
        drain(&mut lacp).len(),
        1,
        "handed to the caller, not answered"
    );
    let before = lacp.port(1).unwrap();
    let mut bad = SlowPdu::Lacp(partner_of(&lacp, 1, GOOD)).emit_frame(PARTNER);
    bad[17] = 19;
    for wrong in [&bad[..], &bad[..40], &frame[..100]] {
        assert!(lacp.receive(millis(3), 1, wrong).is_err());
    }
    let mut oam = frame.clone();
    oam[14] = 3;
    assert_eq!(lacp.receive(millis(3), 1, &oam), Err(SlowError::Unknown(3)));
    // Its own LACPDU back again.
    let mut own = partner_of(&lacp, 1, GOOD);
    own.actor = own.partner;
    say(&mut lacp, millis(3), 1, own);
    let mut after = lacp.port(1).unwrap();
    let c = after.counters;
    assert_eq!(
        (c.marker_rx, c.marker_response_tx, c.marker_response_rx),
        (1, 1, 1)
    );
    assert_eq!((c.illegal_rx, c.unknown_rx), (3, 1));
    assert_eq!((c.lacpdu_rx, c.loopback_rx, c.lacpdu_tx), (1, 1, 1));
    after.counters = before.counters;
    assert_eq!(after, before, "nothing else changed");
}

/// port_moved: a cable is pulled out of one port and put into another.
#[test]
fn a_partner_that_moves_is_forgotten_where_it_was() {
    let mut lacp = Lacp::new(config(1));
    for port in [1, 2] {
        lacp.add_port(Duration::ZERO, port, port as u16, 255, Some(GIGABIT));
    }
    let pdu = partner_of(&lacp, 1, GOOD);
    say(&mut lacp, millis(1), 1, pdu);
    lacp.set_link(millis(2), 1, None);
    assert_eq!(lacp.port(1).unwrap().partner.system, PARTNER);
    let pdu = LacpPdu {
        partner: lacp.port(2).unwrap().actor,
        ..pdu
    };
    say(&mut lacp, millis(3), 2, pdu);
    assert_eq!(lacp.port(1).unwrap().partner.system, MacAddr::default());
    assert_eq!(lacp.port(2).unwrap().partner.system, PARTNER);
}
