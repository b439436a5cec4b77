//! The functions Weir adds, by name: what a session registers and what an executor finds again.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use serde::{Deserialize, Serialize};

use super::avro::{FromAvro, ToAvro};
use super::collections;
use super::csv::FromCsv;
use super::datetime;
use super::encode::Encode;
use super::hash;
use super::json::{FromJson, get_json_object_kernel, to_json_kernel};
use super::kernel::{Function, Kernel, all_text};
use super::math;
use super::protobuf::{FromProtobuf, ProtobufDescriptors, ToProtobuf};
use super::text;
use super::wire::{FromRegistry, ToRegistry};
use crate::error::{Error, Result};
use crate::partitioning::{RangeNumber, RangeNumberPayload};
use crate::schema_registry::RegisteredSchema;

/// `get_json_object(text, path)`.
pub static GET_JSON_OBJECT: Kernel = Kernel {
    name: "get_json_object",
    coerce: all_text::<2>,
    returns: |_, _| DataType::Utf8,
    eval: get_json_object_kernel,
};

/// `to_json(value)`.
pub static TO_JSON: Kernel = Kernel {
    name: "to_json",
    coerce: |types| match types {
        [DataType::Struct(_) | DataType::List(_) | DataType::Map(..)] => Some(types.to_vec()),
        _ => None,
    },
    returns: |_, _| DataType::Utf8,
    eval: to_json_kernel,
};

/// Every kernel.
pub(super) fn kernels() -> impl Iterator<Item = &'static Kernel> {
    const JSON: &[&Kernel] = &[&GET_JSON_OBJECT, &TO_JSON];
    let areas = [
        JSON,
        collections::KERNELS,
        datetime::convert::KERNELS,
        datetime::parts::KERNELS,
        datetime::shift::KERNELS,
        datetime::truncate::KERNELS,
        hash::digest::KERNELS,
        hash::row::KERNELS,
        math::real::KERNELS,
        math::rounding::KERNELS,
        math::whole::KERNELS,
        text::binary::KERNELS,
        text::case::KERNELS,
        text::cut::KERNELS,
        text::join::KERNELS,
        text::pattern::KERNELS,
        text::search::KERNELS,
    ];
    areas.into_iter().flatten().copied()
}

/// Every function without parameters, for a session's SQL.
pub fn functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    kernels().map(Function::udf)
}

/// What travels of a function besides its name.
#[derive(Serialize, Deserialize)]
enum Payload {
    Kernel,
    FromJson {
        schema: String,
        options: Vec<(String, String)>,
    },
    FromAvro {
        schema: String,
        options: Vec<(String, String)>,
    },
    FromCsv {
        schema: String,
        options: Vec<(String, String)>,
    },
    FromProtobuf {
        message: String,
        descriptors: ProtobufDescriptors,
        options: Vec<(String, String)>,
    },
    FromRegistry {
        schema: RegisteredSchema,
        options: Vec<(String, String)>,
    },
    ToAvro(ToAvro),
    ToProtobuf(ToProtobuf),
    ToRegistry(ToRegistry),
    RangeNumber(RangeNumberPayload),
}

/// The bytes by which an executor makes `function` again; `None` for one that is not Weir's.
///
/// # Errors
/// `Internal` when it holds what cannot travel.
pub fn encode(function: &ScalarUDF) -> Result<Option<Vec<u8>>> {
    let inner = function.inner();
    let payload = if inner.downcast_ref::<Function>().is_some() {
        Payload::Kernel
    } else if let Some(from_json) = inner.downcast_ref::<FromJson>() {
        Payload::FromJson {
            schema: from_json.schema().to_owned(),
            options: from_json.options().to_vec(),
        }
    } else if let Some(from_avro) = inner.downcast_ref::<FromAvro>() {
        Payload::FromAvro {
            schema: from_avro.schema().to_owned(),
            options: from_avro.options().to_vec(),
        }
    } else if let Some(from_csv) = inner.downcast_ref::<FromCsv>() {
        Payload::FromCsv {
            schema: from_csv.schema().to_owned(),
            options: from_csv.options().to_vec(),
        }
    } else if let Some(from_protobuf) = inner.downcast_ref::<FromProtobuf>() {
        Payload::FromProtobuf {
            message: from_protobuf.message().to_owned(),
            descriptors: from_protobuf.descriptors().clone(),
            options: from_protobuf.options().to_vec(),
        }
    } else if let Some(from_registry) = inner.downcast_ref::<FromRegistry>() {
        Payload::FromRegistry {
            schema: from_registry.schema().clone(),
            options: from_registry.options().to_vec(),
        }
    } else if let Some(to_avro) = inner.downcast_ref::<Encode<ToAvro>>() {
        Payload::ToAvro(to_avro.encoding().clone())
    } else if let Some(to_protobuf) = inner.downcast_ref::<Encode<ToProtobuf>>() {
        Payload::ToProtobuf(to_protobuf.encoding().clone())
    } else if let Some(to_registry) = inner.downcast_ref::<Encode<ToRegistry>>() {
        Payload::ToRegistry(to_registry.encoding().clone())
    } else if let Some(range_number) = inner.downcast_ref::<RangeNumber>() {
        Payload::RangeNumber(range_number.payload())
    } else {
        return Ok(None);
    };
    let bytes = serde_json::to_vec(&payload);
    bytes.map(Some).map_err(|error| {
        Error::internal(format!("cannot encode {}", function.name())).with_source(error)
    })
}

/// The function `name` again, from [`encode`]'s bytes.
///
/// # Errors
/// `Internal` when `name` is unknown here or the bytes are damaged.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Arc<ScalarUDF>> {
    let damaged =
        |error| Error::internal(format!("function {name}'s bytes are damaged")).with_source(error);
    match serde_json::from_slice(bytes).map_err(damaged)? {
        Payload::Kernel => kernels()
            .find(|kernel| kernel.name == name)
            .map(Function::udf)
            .ok_or_else(|| {
                Error::internal(format!(
                    "function {name:?} is unknown here: the sender runs another version of Weir"
                ))
            }),
        Payload::FromJson { schema, options } => {
            Ok(Arc::new(ScalarUDF::from(FromJson::new(&schema, &options)?)))
        }
        Payload::FromAvro { schema, options } => {
            Ok(Arc::new(ScalarUDF::from(FromAvro::new(&schema, &options)?)))
        }
        Payload::FromCsv { schema, options } => {
            Ok(Arc::new(ScalarUDF::from(FromCsv::new(&schema, &options)?)))
        }
        Payload::FromProtobuf {
            message,
            descriptors,
            options,
        } => {
            let function = FromProtobuf::new(&message, descriptors, options)?;
            Ok(Arc::new(ScalarUDF::from(function)))
        }
        Payload::FromRegistry { schema, options } => {
            let function = FromRegistry::new(schema, options)?;
            Ok(Arc::new(ScalarUDF::from(function)))
        }
        Payload::ToAvro(to_avro) => Ok(Arc::new(ScalarUDF::from(Encode::new(to_avro)?))),
        Payload::ToProtobuf(to_protobuf) => {
            Ok(Arc::new(ScalarUDF::from(Encode::new(to_protobuf)?)))
        }
        Payload::ToRegistry(to_registry) => {
            Ok(Arc::new(ScalarUDF::from(Encode::new(to_registry)?)))
        }
        Payload::RangeNumber(payload) => {
            let range_number = RangeNumber::from_payload(payload);
            Ok(Arc::new(ScalarUDF::from(range_number)))
        }
    }
}
