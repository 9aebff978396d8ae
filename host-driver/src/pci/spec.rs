//! How a user names a device: `vfio-user:/run/card.sock`, `vfio:0000:01:00.0` or `serial:/dev/ttyUSB1`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{PciError, PciTransport, serial, vfio, vfio_user};

/// Which card to open, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// A vfio-user server's socket.
    VfioUser(PathBuf),
    /// A function bound to vfio-pci, by domain:bus:device.function.
    Vfio(String),
    /// The same, through the crate `pci-driver`.
    PciDriver(String),
    /// A board behind this serial port: registers only.
    Serial(PathBuf),
}

impl DeviceSpec {
    /// Opens the card.
    pub fn open(&self) -> Result<Box<dyn PciTransport>, PciError> {
        Ok(match self {
            DeviceSpec::VfioUser(path) => Box::new(vfio_user::VfioUser::connect(path)?),
            DeviceSpec::Vfio(address) => Box::new(vfio::Vfio::open(address)?),
            DeviceSpec::Serial(path) => Box::new(serial::Serial::open(path)?),
            DeviceSpec::PciDriver(address) => Box::new(vfio::Vfio::open_pci_driver(address)?),
        })
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceSpec::VfioUser(path) => write!(f, "vfio-user:{}", path.display()),
            DeviceSpec::Serial(path) => write!(f, "serial:{}", path.display()),
            DeviceSpec::Vfio(address) => write!(f, "vfio:{address}"),
            DeviceSpec::PciDriver(address) => write!(f, "pci-driver:{address}"),
        }
    }
}

impl FromStr for DeviceSpec {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("vfio-user", path)) if !path.is_empty() => Ok(DeviceSpec::VfioUser(path.into())),
            Some(("serial", path)) if !path.is_empty() => Ok(DeviceSpec::Serial(path.into())),
            Some(("vfio", address)) => parse_address(address).map(DeviceSpec::Vfio),
            Some(("pci-driver", address)) => parse_address(address).map(DeviceSpec::PciDriver),
            _ => Err(format!(
                "\"{text}\" names no device: use vfio-user:SOCKET, vfio:DOMAIN:BUS:DEVICE.FUNCTION, serial:PORT or pci-driver:DOMAIN:BUS:DEVICE.FUNCTION"
            )),
        }
    }
}

/// Checks `0000:01:00.0` (the domain may be left out) and gives it in full.
fn parse_address(text: &str) -> Result<String, String> {
    let wrong = || format!("\"{text}\" is no PCI address: write it as 0000:01:00.0 (see lspci -D)");
    let hex = |s: &str, max: usize| {
        if s.is_empty() || s.len() > max {
            Err(wrong())
        } else {
            u32::from_str_radix(s, 16).map_err(|_| wrong())
        }
    };
    let (head, function) = text.rsplit_once('.').ok_or_else(wrong)?;
    let parts: Vec<&str> = head.split(':').collect();
    let (domain, bus, device) = match parts[..] {
        [bus, device] => (0, hex(bus, 2)?, hex(device, 2)?),
        [domain, bus, device] => (hex(domain, 4)?, hex(bus, 2)?, hex(device, 2)?),
        _ => return Err(wrong()),
    };
    let function = hex(function, 1)?;
    if device > 31 || function > 7 {
        return Err(wrong());
    }
    Ok(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_is_not_there_is_named() {
        for text in ["vfio:ff:1f.7", "pci-driver:ff:1f.7"] {
            let spec: DeviceSpec = text.parse().unwrap();
            let error = spec.open().err().unwrap().to_string();
            assert!(
                error.contains("ff:1f.7") && error.contains("lspci"),
                "{error}"
            );
        }
    }

    #[test]
    fn names_are_parsed_and_shown() {
        for (text, shown) in [
            ("vfio-user:/run/x.sock", "vfio-user:/run/x.sock"),
            ("serial:/dev/ttyUSB1", "serial:/dev/ttyUSB1"),
            ("vfio:1:00.0", "vfio:0000:01:00.0"),
            ("vfio:0002:aB:1f.7", "vfio:0002:ab:1f.7"),
            ("pci-driver:1:00.0", "pci-driver:0000:01:00.0"),
        ] {
            assert_eq!(text.parse::<DeviceSpec>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "vfio-user:",
            "serial:",
            "/run/x.sock",
            "vfio:",
            "vfio:01:20.0",
            "vfio:01:00.8",
            "vfio:1:2:3:4.0",
            "vfio:zz:00.0",
        ] {
            assert!(text.parse::<DeviceSpec>().is_err(), "{text}");
        }
    }
}
