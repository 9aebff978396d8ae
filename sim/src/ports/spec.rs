//! Attachments as text: `tap:NAME`, `if:NAME`, `pcap:IN,OUT`, `dgram:LOCAL,PEER`, `gen:KEY=VALUE,...`.

use super::capture::CaptureFile;
use super::dgram::Datagram;
use super::generator::{Generator, Plan};
use super::packet::PacketSocket;
use super::tap::Tap;
use super::traffic::{Flow, Pace, Sizes};
use super::wrap::FaultRates;
use super::{Attachment, PortError};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the text may be.
pub const EXPECTED: &str = "tap:NAME | if:NAME | pcap:IN,OUT (either may be empty) | \
    dgram:LOCAL,PEER | gen:count=N,size=BYTES|FROM-TO|imix,load=PERCENT,gap=N,seed=N,id=N,\
    dst=MAC,src=MAC (each optional)";

/// What the text of faults may be.
const FAULTS: &str =
    "drop:N,duplicate:N,bad-fcs:N,error:N,runt:N,false-carrier:N (one in N frames)";

/// What to plug into a port.
#[derive(Clone, Debug, PartialEq)]
pub enum PortSpec {
    /// A TAP interface.
    Tap(String),
    /// An existing interface.
    Interface(String),
    /// A file to play and one to record.
    Capture(Option<PathBuf>, Option<PathBuf>),
    /// A Unix datagram socket and its peer.
    Datagram(PathBuf, PathBuf),
    /// Numbered frames.
    Generator(GeneratorSpec),
}

/// The keys of `gen:`.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorSpec {
    /// Frames.
    pub count: u64,
    /// Sizes with FCS.
    pub sizes: Sizes,
    /// Rate.
    pub pace: Pace,
    /// Seed.
    pub seed: u64,
    /// The flow's number.
    pub id: u16,
    /// Destination address.
    pub dst: [u8; 6],
    /// Source address.
    pub src: [u8; 6],
}

impl FromStr for PortSpec {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let fail = |problem: String| PortError::Spec {
            text: text.into(),
            problem,
            expected: EXPECTED,
        };
        let (kind, rest) = text
            .split_once(':')
            .ok_or_else(|| fail("it has no colon".into()))?;
        let name = || match rest {
            "" => Err(fail("the interface's name is missing".into())),
            name => Ok(name.to_owned()),
        };
        let pair = || {
            rest.split_once(',')
                .ok_or_else(|| fail("it needs two paths".into()))
        };
        let path = |p: &str| (!p.is_empty()).then(|| PathBuf::from(p));
        match kind {
            "tap" => Ok(PortSpec::Tap(name()?)),
            "if" => Ok(PortSpec::Interface(name()?)),
            "pcap" => {
                let (input, output) = rest.split_once(',').unwrap_or((rest, ""));
                Ok(PortSpec::Capture(path(input), path(output)))
            }
            "dgram" => {
                let (local, peer) = pair()?;
                match (path(local), path(peer)) {
                    (Some(local), Some(peer)) => Ok(PortSpec::Datagram(local, peer)),
                    _ => Err(fail("a path is empty".into())),
                }
            }
            "gen" => GeneratorSpec::parse(rest)
                .map(PortSpec::Generator)
                .map_err(fail),
            other => Err(fail(format!("`{other}` is not a kind of port"))),
        }
    }
}

impl GeneratorSpec {
    fn parse(text: &str) -> Result<Self, String> {
        let mut spec = GeneratorSpec {
            count: u64::MAX,
            sizes: Sizes::Fixed(64),
            pace: Pace::Gap(12),
            seed: 1,
            id: 0,
            dst: [0xff; 6],
            src: [0x02, 0, 0, 0, 0, 0x01],
        };
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let (key, value) = item.split_once('=').ok_or(format!("`{item}` has no `=`"))?;
            let wrong = || format!("`{value}` is not a value of `{key}`");
            let number = || value.parse::<u64>().map_err(|_| wrong());
            let size = |s: &str| {
                let size = s.parse::<usize>().ok();
                size.filter(|s| (64..=9216).contains(s))
                    .ok_or(format!("size `{s}` is not 64 to 9216"))
            };
            match key {
                "count" => spec.count = number()?,
                "seed" => spec.seed = number()?,
                "id" => spec.id = value.parse().map_err(|_| wrong())?,
                "gap" => spec.pace = Pace::Gap(number()?.max(1)),
                "load" => {
                    let load = value.parse().ok().filter(|l| *l > 0.0 && *l <= 100.0);
                    spec.pace = Pace::Load(load.ok_or_else(wrong)?);
                }
                "size" if value == "imix" => spec.sizes = Sizes::Imix,
                "size" => {
                    spec.sizes = match value.split_once('-') {
                        Some((from, to)) => Sizes::Range(size(from)?, size(to)?),
                        None => Sizes::Fixed(size(value)?),
                    };
                }
                "dst" => spec.dst = mac(value).ok_or_else(wrong)?,
                "src" => spec.src = mac(value).ok_or_else(wrong)?,
                _ => return Err(format!("`{key}` is not a key")),
            }
        }
        Ok(spec)
    }

    /// The flow that is sent.
    pub fn flow(&self) -> Flow {
        Flow::new(self.id, self.seed, self.dst, self.src)
    }
}

/// Reads fault rates: `drop:N,duplicate:N,bad-fcs:N,error:N,runt:N,false-carrier:N`, each one in N
/// frames, any of them.
pub fn parse_faults(text: &str) -> Result<FaultRates, PortError> {
    let fail = |problem: String| PortError::Spec {
        text: text.into(),
        problem,
        expected: FAULTS,
    };
    let mut rates = FaultRates::default();
    for item in text.split(',') {
        let (name, value) = item
            .split_once(':')
            .ok_or_else(|| fail(format!("`{item}` has no `:`")))?;
        let rate = match name {
            "drop" => &mut rates.drop,
            "duplicate" => &mut rates.duplicate,
            "bad-fcs" => &mut rates.bad_fcs,
            "error" => &mut rates.error,
            "runt" => &mut rates.runt,
            "false-carrier" => &mut rates.false_carrier,
            _ => return Err(fail(format!("`{name}` is not a fault"))),
        };
        *rate = value
            .parse()
            .map_err(|_| fail(format!("`{value}` is not a number")))?;
    }
    Ok(rates)
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|b| u8::from_str_radix(b, 16).ok().filter(|_| b.len() == 2))
        .collect();
    bytes?.try_into().ok()
}

impl PortSpec {
    /// Opens it. A generator expects the flows in `others`.
    pub fn open(&self, others: &[Flow]) -> Result<Box<dyn Attachment>, PortError> {
        let path = |p: &Option<PathBuf>| p.clone();
        Ok(match self {
            PortSpec::Tap(name) => Box::new(Tap::open(name)?),
            PortSpec::Interface(name) => Box::new(PacketSocket::open(name)?),
            PortSpec::Capture(input, output) => {
                let (input, output) = (path(input), path(output));
                Box::new(CaptureFile::open(input.as_deref(), output.as_deref())?)
            }
            PortSpec::Datagram(local, peer) => {
                Box::new(Datagram::bind(Path::new(local), Path::new(peer))?)
            }
            PortSpec::Generator(spec) => {
                let plan = Plan {
                    flows: vec![spec.flow()],
                    count: spec.count,
                    sizes: spec.sizes.clone(),
                    pace: spec.pace,
                    seed: spec.seed,
                };
                Box::new(Generator::new(plan, others.iter().cloned()))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_mistakes_named() {
        let read = |t: &str| t.parse::<PortSpec>();
        assert_eq!(read("tap:sn0").unwrap(), PortSpec::Tap("sn0".into()));
        assert_eq!(
            read("pcap:,o").unwrap(),
            PortSpec::Capture(None, Some("o".into()))
        );
        assert_eq!(
            read("dgram:a,b").unwrap(),
            PortSpec::Datagram("a".into(), "b".into())
        );
        let PortSpec::Generator(g) =
            read("gen:count=5,size=64-128,load=90,dst=02:00:00:00:00:0a").unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (g.count, g.sizes, g.pace),
            (5, Sizes::Range(64, 128), Pace::Load(90.0))
        );
        assert_eq!(g.dst, [2, 0, 0, 0, 0, 10]);
        for (text, problem) in [
            ("tap", "no colon"),
            ("tap:", "name is missing"),
            ("wifi:x", "`wifi` is not a kind"),
            ("dgram:a", "two paths"),
            ("dgram:a,", "path is empty"),
            ("gen:size=63", "`63` is not 64 to 9216"),
            ("gen:load=101", "`101` is not a value of `load`"),
            ("gen:dst=1:2", "`1:2` is not a value of `dst`"),
            ("gen:rate=1", "`rate` is not a key"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }

        let rates = parse_faults("bad-fcs:100,drop:7").unwrap();
        assert_eq!(
            rates,
            FaultRates {
                bad_fcs: 100,
                drop: 7,
                ..FaultRates::default()
            }
        );
        for (text, problem) in [("drop", "no `:`"), ("drip:1", "`drip`"), ("drop:x", "`x`")] {
            let error = parse_faults(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
