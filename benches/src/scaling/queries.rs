//! TPC-H's 22 queries, as the specification validates them.
//!
//! Their texts come with the generator of the tables; the substitution parameters (clauses 2.4.*.3, "query validation") and the numbers
//! of rows to return (2.4.*.1) are the specification's, revision 3.0.1.

use tpchgen::q_and_a::queries::query;

/// The parameters of each query, in the order of its text, and how many rows it returns at most. The second of query 11 depends on the
/// scale factor.
const PARAMETERS: [(&[&str], Option<usize>); 22] = [
    (&["90"], None),
    (&["15", "BRASS", "EUROPE"], Some(100)),
    (&["BUILDING", "1995-03-15"], Some(10)),
    (&["1993-07-01"], None),
    (&["ASIA", "1994-01-01"], None),
    (&["1994-01-01", "0.06", "24"], None),
    (&["FRANCE", "GERMANY"], None),
    (&["BRAZIL", "AMERICA", "ECONOMY ANODIZED STEEL"], None),
    (&["green"], None),
    (&["1993-10-01"], Some(20)),
    (&["GERMANY"], None),
    (&["MAIL", "SHIP", "1994-01-01"], None),
    (&["special", "requests"], None),
    (&["1995-09-01"], None),
    (&["1996-01-01"], None),
    (
        &[
            "Brand#45",
            "MEDIUM POLISHED",
            "49",
            "14",
            "23",
            "45",
            "19",
            "3",
            "36",
            "9",
        ],
        None,
    ),
    (&["Brand#23", "MED BOX"], None),
    (&["300"], Some(100)),
    (&["Brand#12", "Brand#23", "Brand#34", "1", "10", "20"], None),
    (&["forest", "1994-01-01", "CANADA"], None),
    (&["SAUDI ARABIA"], Some(100)),
    (&["13", "31", "23", "29", "30", "18", "17"], None),
];

/// Query 15 in the form of the specification's approved variant A (appendix), one statement without a view.
const QUERY_15: &str = "
with revenue (supplier_no, total_revenue) as (
    select l_suppkey, sum(l_extendedprice * (1 - l_discount))
    from lineitem
    where l_shipdate >= date ':1' and l_shipdate < date ':1' + interval '3' month
    group by l_suppkey
)
select s_suppkey, s_name, s_address, s_phone, total_revenue
from supplier, revenue
where s_suppkey = supplier_no
    and total_revenue = (select max(total_revenue) from revenue)
order by s_suppkey";

/// A query of TPC-H.
#[derive(Debug, Clone)]
pub struct Query {
    /// From 1.
    pub number: usize,
    /// Its text.
    pub sql: String,
    /// The column that tells its rows apart, where its ORDER BY leaves equal ones in any order.
    pub key: Option<usize>,
}

impl Query {
    /// Query `number` over tables of scale factor `scale`; `None` when there is none.
    #[must_use]
    pub fn new(number: usize, scale: f64) -> Option<Self> {
        let (parameters, limit) = PARAMETERS.get(number.checked_sub(1)?)?;
        let mut parameters: Vec<String> = parameters.iter().copied().map(str::to_owned).collect();
        if number == 11 {
            parameters.push(format!("{:.10}", 0.0001 / scale));
        }
        let text = match number {
            15 => QUERY_15,
            _ => query(i32::try_from(number).ok()?)?,
        };
        // The precision of query 1's interval is not SQL that every engine reads.
        let mut sql = text
            .trim()
            .trim_end_matches(';')
            .replace(" day (3)", " day");
        // From the last, as `:1` is the beginning of `:10`.
        for (at, parameter) in parameters.iter().enumerate().rev() {
            sql = sql.replace(&format!(":{}", at + 1), parameter);
        }
        if let Some(limit) = limit {
            sql.push_str(&format!("\nlimit {limit}"));
        }
        Some(Self {
            number,
            sql,
            key: match number {
                3 | 10 | 11 => Some(0),
                18 => Some(2),
                _ => None,
            },
        })
    }
}
