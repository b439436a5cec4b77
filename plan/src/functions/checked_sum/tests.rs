use arrow::array::{Decimal128Array, Decimal256Array, RecordBatch};
use arrow::datatypes::i256;
use datafusion::prelude::{SessionContext, col};

use super::*;

/// `values` as `v` beside the group `k`, all of which are of one group.
fn rows(values: ArrayRef) -> RecordBatch {
    let groups: ArrayRef = Arc::new(Int64Array::from(vec![1; values.len()]));
    RecordBatch::try_from_iter_with_nullable([("k", groups, true), ("v", values, true)]).unwrap()
}

fn decimals(values: &[Option<i128>], precision: u8, scale: i8) -> ArrayRef {
    let values = Decimal128Array::from(values.to_vec());
    Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
}

/// The sum of `values` without groups, then by group.
async fn sums(values: &ArrayRef) -> [Result<ScalarValue, DataFusionError>; 2] {
    let session = SessionContext::new();
    let mut sums = Vec::new();
    for by in [vec![], vec![col("k")]] {
        let frame = session.read_batch(rows(Arc::clone(values))).unwrap();
        let frame = frame.aggregate(by, vec![sum(col("v")).alias("s")]).unwrap();
        let read = frame.select([col("s")]).unwrap().collect().await;
        sums.push(read.map(|batches| {
            let batch = batches.iter().find(|batch| batch.num_rows() == 1);
            ScalarValue::try_from_array(batch.unwrap().column(0), 0).unwrap()
        }));
    }
    sums.try_into().unwrap()
}

#[tokio::test]
async fn decimals_beyond_the_precision_end_the_query() {
    let large = 9 * 10_i128.pow(37);
    for values in [
        // Sums that do not fit 128 bits, which would wrap; the last does, and has a digit too many.
        vec![Some(large), Some(large)],
        vec![Some(large), Some(large), None, Some(large), Some(large)],
        vec![Some(-large), Some(-large)],
        vec![Some(6 * 10_i128.pow(37)), Some(6 * 10_i128.pow(37))],
    ] {
        for sum in sums(&decimals(&values, 38, 2)).await {
            let text = sum.unwrap_err().to_string();
            assert!(text.contains("does not fit a decimal(38,2)"), "{text}");
        }
    }
    let large = (0..75).fold(i256::from_i128(9), |value, _| value * i256::from_i128(10));
    let values = Decimal256Array::from(vec![large, large]);
    let values: ArrayRef = Arc::new(values.with_precision_and_scale(76, 0).unwrap());
    for sum in sums(&values).await {
        let text = sum.unwrap_err().to_string();
        assert!(text.contains("does not fit a decimal(76,0)"), "{text}");
    }
}

#[tokio::test]
async fn decimals_that_fit_have_the_sum_in_the_wider_type() {
    let most = 10_i128.pow(38) - 1;
    for (values, precision, expected) in [
        (vec![Some(150), None, Some(-275)], 10, (Some(-125), 20)),
        (vec![Some(99_999), Some(99_999)], 5, (Some(199_998), 15)),
        (vec![Some(most - 1), Some(1)], 38, (Some(most), 38)),
        (vec![None, None], 38, (None, 38)),
    ] {
        for sum in sums(&decimals(&values, precision, 2)).await {
            let expected = ScalarValue::Decimal128(expected.0, expected.1, 2);
            assert_eq!(sum.unwrap(), expected);
        }
    }
}

#[test]
fn rows_become_states_of_the_sum_s_type() {
    let groups = DecimalSums::<Decimal128Type>::new(&DataType::Decimal128(20, 2));
    let filter = BooleanArray::from(vec![Some(true), Some(false), None]);
    let values = decimals(&[Some(1), Some(2), Some(3)], 10, 2);
    let states = groups.convert_to_state(&[values], Some(&filter)).unwrap();
    assert_eq!(&states[0], &decimals(&[Some(1), None, None], 20, 2));
}

#[tokio::test]
async fn whole_numbers_beyond_a_bigint_end_the_query() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1]));
    for sum in sums(&values).await {
        let text = sum.unwrap_err().to_string();
        assert!(text.contains("does not fit a bigint"), "{text}");
    }
}

#[test]
fn frame_gives_back_what_it_leaves_behind() {
    let mut frame = DecimalSum::<Decimal128Type>::new(&DataType::Decimal128(20, 2));
    frame
        .update_batch(&[decimals(&[Some(1), Some(2)], 10, 2)])
        .unwrap();
    frame.retract_batch(&[decimals(&[Some(1)], 10, 2)]).unwrap();
    let left = frame.evaluate().unwrap();
    assert_eq!(left, ScalarValue::Decimal128(Some(2), 20, 2));
    frame.retract_batch(&[decimals(&[Some(2)], 10, 2)]).unwrap();
    let left = frame.evaluate().unwrap();
    assert_eq!(left, ScalarValue::Decimal128(None, 20, 2));
}
