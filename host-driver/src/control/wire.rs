//! Varlink messages: framing, calls, replies, errors.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::NAME;
use crate::netdev::NetError;

/// Longest message accepted.
pub const MAX_MESSAGE: usize = 1 << 20;

/// A call.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// Interface and method.
    pub method: String,
    /// Parameters.
    #[serde(default)]
    pub parameters: Option<Map<String, Value>>,
    /// No reply is wanted.
    #[serde(default)]
    pub oneway: bool,
    /// More than one reply is wanted.
    #[serde(default)]
    pub more: bool,
    /// The connection is to become something else.
    #[serde(default)]
    pub upgrade: bool,
}

/// An error reply.
#[derive(Clone, Debug, PartialEq)]
pub struct WireError {
    /// Qualified name.
    pub name: String,
    /// Parameters.
    pub parameters: Value,
}

impl WireError {
    /// An error of our interface.
    pub fn ours(name: &str, parameters: Value) -> Self {
        Self {
            name: format!("{NAME}.{name}"),
            parameters,
        }
    }
    /// An error of `org.varlink.service`.
    pub fn service(name: &str, parameters: Value) -> Self {
        Self {
            name: format!("org.varlink.service.{name}"),
            parameters,
        }
    }
    /// The message, NUL included.
    pub fn message(&self) -> Vec<u8> {
        frame(&json!({ "error": self.name, "parameters": self.parameters }))
    }
}

impl From<NetError> for WireError {
    fn from(error: NetError) -> Self {
        let reason = error.to_string();
        let (name, parameters) = match error {
            NetError::UnknownInterface { name } => ("UnknownInterface", json!({ "name": name })),
            NetError::Exists { name } => ("Exists", json!({ "name": name })),
            NetError::InvalidArgument {
                argument,
                value,
                reason,
            } => (
                "InvalidArgument",
                json!({ "argument": argument, "value": value, "reason": reason }),
            ),
            NetError::Busy { name, reason } => ("Busy", json!({ "name": name, "reason": reason })),
            NetError::NotFound { what } => ("NotFound", json!({ "what": what })),
            NetError::Exhausted { what, capacity } => {
                ("Exhausted", json!({ "what": what, "capacity": capacity }))
            }
            NetError::DeviceGone { device, reason } => {
                ("DeviceGone", json!({ "device": device, "reason": reason }))
            }
            NetError::Device(_) => ("DeviceError", json!({ "reason": reason })),
            NetError::Kernel { .. } => ("KernelError", json!({ "reason": reason })),
        };
        WireError::ours(name, parameters)
    }
}

/// JSON and a NUL.
pub fn frame(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(0);
    bytes
}

/// A reply with these parameters; `continues`: more replies follow.
pub fn reply(parameters: Value, continues: bool) -> Vec<u8> {
    let mut message = json!({ "parameters": parameters });
    if continues {
        message["continues"] = json!(true);
    }
    frame(&message)
}

/// Reads one message (without its NUL).
pub fn parse(bytes: &[u8]) -> Result<Call, WireError> {
    serde_json::from_slice(bytes)
        .map_err(|e| WireError::ours("Malformed", json!({ "reason": e.to_string() })))
}

/// Reads a call's parameters.
pub fn parameters<T: DeserializeOwned>(call: &Call) -> Result<T, WireError> {
    let value = Value::Object(call.parameters.clone().unwrap_or_default());
    serde_json::from_value(value).map_err(|e| {
        let reason = e.to_string();
        // serde names the field between back quotes.
        let field = reason.split('`').nth(1).unwrap_or("parameters").to_owned();
        WireError::service(
            "InvalidParameter",
            json!({ "parameter": field, "reason": reason }),
        )
    })
}

/// Takes the next whole message out of `buffer`.
pub fn take(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = buffer.iter().position(|b| *b == 0)?;
    let mut message: Vec<u8> = buffer.drain(..=end).collect();
    message.pop();
    Some(message)
}
