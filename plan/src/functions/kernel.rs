//! Functions without parameters of their own: a name, types, and a kernel over arrays.
//!
//! Each is one [`Kernel`]; [`Function`] makes it a `ScalarUDF` that is equal, shipped and found again by
//! its name.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::functions::ddl;

/// A function's name, types and computation.
#[derive(Debug)]
pub struct Kernel {
    /// Spark's name.
    pub name: &'static str,
    /// The types arguments of these types are cast to; `None` when they do not fit.
    pub coerce: fn(&[DataType]) -> Option<Vec<DataType>>,
    /// The type of the result for arguments of such types, of which the literal ones' values are known.
    pub returns: fn(&[DataType], &[Option<&ScalarValue>]) -> DataType,
    /// Computes it: arrays of one length and of the coerced types.
    pub eval: fn(&[ArrayRef]) -> Result<ArrayRef, DataFusionError>,
}

/// A [`Kernel`] as a function of DataFusion's.
#[derive(Debug)]
pub struct Function {
    kernel: &'static Kernel,
    signature: Signature,
}

impl Function {
    /// The function of `kernel`.
    #[must_use]
    pub fn udf(kernel: &'static Kernel) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(Self {
            kernel,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    }

    /// `kernel` over `args`.
    #[must_use]
    pub fn call(kernel: &'static Kernel, args: Vec<Expr>) -> Expr {
        Self::udf(kernel).call(args)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.kernel.name == other.kernel.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kernel.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.kernel.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>, DataFusionError> {
        match (self.kernel.coerce)(types) {
            Some(coerced) => Ok(coerced),
            None => {
                let names: Vec<_> = types.iter().map(ddl::type_name).collect();
                plan_err!("{} does not take ({})", self.kernel.name, names.join(", "))
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok((self.kernel.returns)(types, &[]))
    }

    fn return_field_from_args(
        &self,
        arguments: ReturnFieldArgs,
    ) -> Result<FieldRef, DataFusionError> {
        let fields = arguments.arg_fields.iter();
        let types: Vec<_> = fields.map(|field| field.data_type().clone()).collect();
        let returned = (self.kernel.returns)(&types, arguments.scalar_arguments);
        Ok(Arc::new(Field::new(self.kernel.name, returned, true)))
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let scalar = arguments
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let arrays = arguments.args.into_iter().map(|arg| arg.into_array(rows));
        let result = (self.kernel.eval)(&arrays.collect::<Result<Vec<_>, _>>()?)?;
        if scalar && result.len() == 1 {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Whether casting `data_type` to text is what Spark does by itself.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null
    )
}

/// Every argument as text.
pub(super) fn all_text<const N: usize>(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == N && types.iter().all(is_text)).then(|| vec![DataType::Utf8; N])
}
