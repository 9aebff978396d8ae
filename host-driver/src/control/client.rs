//! A client of the daemon: one call after the other, blocking.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

use super::NAME;
use super::local::Local;
use super::wire::{self, WireError};
use crate::netdev::NetError;
use crate::pci::DeviceSpec;

/// How long an answer may take: reading a whole FDB from a simulated card is slow.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Why a call failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody serves the socket.
    #[error("cannot reach smartnicd at {path}: {source}; is it running, and is --socket right?")]
    Connect {
        /// The socket.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// The connection broke.
    #[error("smartnicd at {path} hung up: {source}")]
    Io {
        /// The socket.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// The card cannot be opened without the daemon.
    #[error("{0}; if smartnicd serves this card, talk to it: --socket in place of --card")]
    Card(NetError),
    /// A board behind a serial line cannot be reached.
    #[error("{0}")]
    Board(NetError),
    /// The daemon's answer makes no sense.
    #[error("smartnicd answered something else than expected: {0}; are versions the same?")]
    Answer(String),
    /// The daemon refused.
    #[error("{}", explain(name, parameters))]
    Refused {
        /// Qualified name of the error.
        name: String,
        /// Its parameters.
        parameters: Value,
    },
}

/// An error of the daemon in words.
fn explain(name: &str, parameters: &Value) -> String {
    let get = |key: &str| {
        parameters[key]
            .as_str()
            .map_or_else(|| parameters[key].to_string(), str::to_owned)
    };
    match name.rsplit('.').next().unwrap_or(name) {
        "UnknownInterface" => format!("Cannot find device \"{}\"", get("name")),
        "Exists" => format!("\"{}\": exists already", get("name")),
        "InvalidArgument" => {
            format!(
                "argument \"{}\" is wrong: {}: {}",
                get("value"),
                get("argument"),
                get("reason")
            )
        }
        "Busy" => format!("\"{}\" is busy: {}", get("name"), get("reason")),
        "NotFound" => format!("{} not found", get("what")),
        "Exhausted" => format!(
            "no {} is left: the card has {}",
            get("what"),
            get("capacity")
        ),
        "DeviceGone" => format!("the card {} is gone: {}", get("device"), get("reason")),
        "DeviceError" | "KernelError" | "Malformed" => get("reason"),
        "InvalidParameter" => format!(
            "argument \"{}\" is wrong: {}",
            get("parameter"),
            get("reason")
        ),
        "MethodNotFound" => format!(
            "smartnicd does not know {}; is it older than this program?",
            get("method")
        ),
        _ => format!("{name} {parameters}"),
    }
}

/// A connection to the daemon, or a card in this process.
pub enum Client {
    /// The daemon.
    Daemon(Connection),
    /// A card.
    Card(Box<Local>),
}

impl Client {
    /// Connects to the daemon's socket.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        Connection::open(path).map(Client::Daemon)
    }

    /// Opens a card without the daemon.
    pub fn open(card: &DeviceSpec) -> Result<Self, ClientError> {
        let local = Local::open(card).map_err(match card {
            DeviceSpec::Serial(_) => ClientError::Board,
            _ => ClientError::Card,
        })?;
        Ok(Client::Card(Box::new(local)))
    }

    /// Calls a method of our interface and gives its reply.
    pub fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
    ) -> Result<R, ClientError> {
        let reply = match self {
            Client::Daemon(connection) => return connection.call(method, parameters),
            Client::Card(card) => card.call(method, value(parameters)?)?,
        };
        serde_json::from_value(reply).map_err(|e| ClientError::Answer(e.to_string()))
    }

    /// Calls a method that replies again and again, until `each` gives false or the daemon ends.
    pub fn more<R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
        mut each: impl FnMut(R) -> bool,
    ) -> Result<(), ClientError> {
        let card = match self {
            Client::Daemon(connection) => return connection.more(method, parameters, each),
            Client::Card(card) => card,
        };
        if method != "MonitorFdb" {
            let reason = "smartnicd has to see to it, and this command has no daemon";
            return Err(WireError::from(NetError::invalid("method", method, reason)).into());
        }
        let mut wrong = None;
        card.monitor(|reply| match serde_json::from_value(reply) {
            Ok(reply) => each(reply),
            Err(e) => {
                wrong = Some(ClientError::Answer(e.to_string()));
                false
            }
        })?;
        wrong.map_or(Ok(()), Err)
    }
}

fn value(parameters: &impl Serialize) -> Result<Value, ClientError> {
    serde_json::to_value(parameters).map_err(|e| ClientError::Answer(e.to_string()))
}

impl From<WireError> for ClientError {
    fn from(error: WireError) -> Self {
        ClientError::Refused {
            name: error.name,
            parameters: error.parameters,
        }
    }
}

/// A connection to the daemon.
pub struct Connection {
    stream: UnixStream,
    path: String,
    input: Vec<u8>,
}

impl Connection {
    fn open(path: &Path) -> Result<Self, ClientError> {
        let text = path.display().to_string();
        let fail = |source| ClientError::Connect {
            path: text.clone(),
            source,
        };
        let stream = UnixStream::connect(path).map_err(fail)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(fail)?;
        Ok(Self {
            stream,
            path: text,
            input: Vec::new(),
        })
    }

    fn io(&self, source: io::Error) -> ClientError {
        ClientError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn send(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
        more: bool,
    ) -> Result<(), ClientError> {
        let parameters = value(parameters)?;
        let mut call = json!({ "method": format!("{NAME}.{method}"), "parameters": parameters });
        if more {
            call["more"] = json!(true);
        }
        self.stream
            .write_all(&wire::frame(&call))
            .map_err(|e| self.io(e))
    }

    fn receive<R: DeserializeOwned>(&mut self) -> Result<R, ClientError> {
        let message = loop {
            if let Some(message) = wire::take(&mut self.input) {
                break message;
            }
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(self.io(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.io(e)),
            }
        };
        let mut value: Value =
            serde_json::from_slice(&message).map_err(|e| ClientError::Answer(e.to_string()))?;
        let parameters = value["parameters"].take();
        if let Some(name) = value["error"].as_str() {
            return Err(ClientError::Refused {
                name: name.into(),
                parameters,
            });
        }
        serde_json::from_value(parameters).map_err(|e| ClientError::Answer(e.to_string()))
    }

    fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
    ) -> Result<R, ClientError> {
        self.send(method, parameters, false)?;
        self.receive()
    }

    fn more<R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
        mut each: impl FnMut(R) -> bool,
    ) -> Result<(), ClientError> {
        self.send(method, parameters, true)?;
        self.stream.set_read_timeout(None).map_err(|e| self.io(e))?;
        while each(self.receive()?) {}
        Ok(())
    }
}
