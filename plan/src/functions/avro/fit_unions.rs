//! Unions: a type that may be null, or one of several.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, UnionArray, new_null_array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, UnionFields};
use serde_json::Value;

use super::fit::{internal, required};
use super::schema::{branches, data_type, kind};
use crate::error::Result;
use crate::functions::ddl;
use crate::functions::encode::{mismatch, nulls_within, plain, unfit};

/// `array` as values of the union `schema`.
pub(super) fn union(
    array: &ArrayRef,
    live: Option<&NullBuffer>,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let all = schema.as_array().map_or(&[][..], Vec::as_slice);
    let (others, nullable) = branches(schema);
    if let ([one], true, 2) = (others.as_slice(), nullable, all.len()) {
        let present = nulls_within(array, live);
        return required(array, present.as_ref(), one, place);
    }
    // The column of each branch that is not null.
    let whole = data_type(schema, place)?;
    let columns: Vec<Option<ArrayRef>> = match (&whole, array.data_type()) {
        (_, DataType::Null) => vec![None; others.len()],
        (DataType::Struct(members), DataType::Struct(given)) if others.len() > 1 => {
            let same = members.len() == given.len()
                && (members.iter().zip(given.iter()))
                    .all(|(member, given)| member.name() == given.name());
            if !same {
                return Err(mismatch(
                    place,
                    array.data_type(),
                    &format!("a union, {}", ddl::type_name(&whole)),
                ));
            }
            let columns = array.as_struct().columns().iter();
            columns.map(|column| Some(Arc::clone(column))).collect()
        }
        // The wider of two numbers, or the only one.
        _ => {
            let is_wide = |branch: &&Value| {
                data_type(branch, place).is_ok_and(|data_type| data_type == whole)
            };
            let wide = others.iter().position(is_wide).ok_or_else(|| {
                let expected = format!("a union, {}", ddl::type_name(&whole));
                mismatch(place, array.data_type(), &expected)
            })?;
            let of = |branch| (branch == wide).then(|| Arc::clone(array));
            (0..others.len()).map(of).collect()
        }
    };
    choose(array, live, &columns, schema, place)
}

/// A union of `columns`, of which each row takes the one that is not null.
fn choose(
    array: &ArrayRef,
    live: Option<&NullBuffer>,
    columns: &[Option<ArrayRef>],
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let all = schema.as_array().map_or(&[][..], Vec::as_slice);
    let id_of = |branch: usize| i8::try_from(branch).map_err(internal);
    let nulls = nulls_within(array, live);
    let members: Vec<Option<NullBuffer>> = columns
        .iter()
        .map(|column| column.as_ref().and_then(Array::logical_nulls))
        .collect();
    let of_null = all.iter().position(|branch| kind(branch) == "null");
    // The place of each branch among all.
    let places: Vec<usize> = (0..all.len()).filter(|at| Some(*at) != of_null).collect();
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); all.len()];
    let (mut ids, mut offsets) = (Vec::new(), Vec::new());
    for row in 0..array.len() {
        let dead = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let mut chosen = (0..columns.len()).filter(|member| {
            !dead
                && columns[*member].is_some()
                && members[*member]
                    .as_ref()
                    .is_none_or(|nulls| nulls.is_valid(row))
        });
        let branch = match (chosen.next(), chosen.next(), of_null) {
            (Some(member), None, _) => places[member],
            (Some(_), Some(_), _) => {
                let why = "of which more than one member is not null, and its type is a union";
                return Err(unfit(place, array, row, why));
            }
            (None, _, Some(of_null)) => of_null,
            // What it is within is null.
            (None, _, None) if live.is_some_and(|live| live.is_null(row)) => 0,
            (None, _, None) => {
                return Err(unfit(
                    place,
                    array,
                    row,
                    "and its type, a union, has no null",
                ));
            }
        };
        ids.push(id_of(branch)?);
        offsets.push(i32::try_from(rows[branch].len()).map_err(internal)?);
        rows[branch].push(u32::try_from(row).map_err(internal)?);
    }
    let (mut fields, mut children) = (Vec::new(), Vec::new());
    for (at, branch) in all.iter().enumerate() {
        let taken = UInt32Array::from(std::mem::take(&mut rows[at]));
        let column = match places.iter().position(|place| *place == at) {
            Some(member) => columns[member].clone(),
            None => None,
        };
        let child = match column {
            Some(column) => take(&column, &taken, None).map_err(internal)?,
            None => new_null_array(&DataType::Null, taken.len()),
        };
        // A row whose surroundings are null has no value in the first branch.
        let present = child.logical_nulls();
        let child = required(&plain(&child)?, present.as_ref(), branch, place)?;
        fields.push((
            id_of(at)?,
            Arc::new(Field::new(
                format!("branch{at}"),
                child.data_type().clone(),
                true,
            )),
        ));
        children.push(child);
    }
    let fields: UnionFields = fields.into_iter().collect();
    let union = UnionArray::try_new(
        fields,
        ScalarBuffer::from(ids),
        Some(ScalarBuffer::from(offsets)),
        children,
    );
    Ok(Arc::new(union.map_err(internal)?))
}
