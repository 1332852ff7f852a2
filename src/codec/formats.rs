//! The formats that are here.

#[cfg(any(feature = "postcard", feature = "messagepack", feature = "protobuf"))]
use super::{Codec, Format};

/// Postcard: small and fast, by serde. What follows a value is an error.
///
/// Two kinds of types are not for peers that may be hostile, as postcard sets no limit to either: one that can hold itself (a tree of boxes) is
/// followed as deep as a frame says, until the stack is used up and the process ends; and a list whose elements take no bytes (`Vec<()>`) is counted as
/// far as a frame of ten bytes says, which can take for ever. `MessagePack` limits the depth, and each element takes a byte there.
#[cfg(feature = "postcard")]
#[derive(Clone, Copy, Debug)]
pub enum Postcard {}

#[cfg(feature = "postcard")]
impl Format for Postcard {
    const ID: u32 = 1;
    const NAME: &'static str = "postcard";
}

#[cfg(feature = "postcard")]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Codec<T> for Postcard {
    type Error = postcard::Error;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), Self::Error> {
        // By its `Extend`, so that the room of earlier messages is used again.
        *bytes = postcard::to_extend(value, core::mem::take(bytes))?;
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<T, Self::Error> {
        let (value, rest) = postcard::take_from_bytes(bytes)?;
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(postcard::Error::DeserializeBadEncoding)
        }
    }
}

/// `MessagePack`: known to most languages, by serde. Structs are written as arrays, without the names of their fields. What follows a value is an
/// error.
#[cfg(feature = "messagepack")]
#[derive(Clone, Copy, Debug)]
pub enum MessagePack {}

#[cfg(feature = "messagepack")]
impl Format for MessagePack {
    const ID: u32 = 2;
    const NAME: &'static str = "MessagePack";
}

/// Why a value cannot be written or read as `MessagePack`.
#[cfg(feature = "messagepack")]
#[derive(Debug, thiserror::Error)]
pub enum MessagePackError {
    /// The value cannot be written.
    #[error(transparent)]
    Encode(#[from] rmp_serde::encode::Error),
    /// The bytes are no value.
    #[error(transparent)]
    Decode(#[from] rmp_serde::decode::Error),
    /// Bytes follow the value.
    #[error("{0} bytes follow the value")]
    Surplus(usize),
}

#[cfg(feature = "messagepack")]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Codec<T> for MessagePack {
    type Error = MessagePackError;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), Self::Error> {
        Ok(rmp_serde::encode::write(bytes, value)?)
    }

    fn decode(bytes: &[u8]) -> Result<T, Self::Error> {
        let mut rest = bytes;
        let value = rmp_serde::from_read(&mut rest)?;
        match rest.len() {
            0 => Ok(value),
            surplus => Err(MessagePackError::Surplus(surplus)),
        }
    }
}

/// Protocol Buffers, by prost: the types may be written by hand with its derive macro, and need no compiler then.
#[cfg(feature = "protobuf")]
#[derive(Clone, Copy, Debug)]
pub enum Protobuf {}

#[cfg(feature = "protobuf")]
impl Format for Protobuf {
    const ID: u32 = 3;
    const NAME: &'static str = "Protocol Buffers";
}

/// Why a value cannot be written or read as Protocol Buffers.
#[cfg(feature = "protobuf")]
#[derive(Debug, thiserror::Error)]
pub enum ProtobufError {
    /// The value cannot be written.
    #[error(transparent)]
    Encode(#[from] prost::EncodeError),
    /// The bytes are no value.
    #[error(transparent)]
    Decode(#[from] prost::DecodeError),
}

#[cfg(feature = "protobuf")]
impl<T: prost::Message + Default> Codec<T> for Protobuf {
    type Error = ProtobufError;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), Self::Error> {
        Ok(value.encode(bytes)?)
    }

    fn decode(bytes: &[u8]) -> Result<T, Self::Error> {
        Ok(T::decode(bytes)?)
    }
}
