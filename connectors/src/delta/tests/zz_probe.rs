use std::time::Instant;
use weir_plan::{QueryId, StreamSink as _};
use super::support::*;

#[tokio::test]
async fn probe() {
    let Some(dir) = std::env::var_os("WEIR_PROBE") else { return };
    let dir = dir.to_str().unwrap().to_owned();
    let open = |name: &str, by: &[&str], options: &[(&str, &str)]| {
        crate::delta::DeltaSink::try_new(&format!("{dir}/{name}"), by.iter().map(|s| s.to_string()).collect(), &options.iter().copied().collect()).unwrap()
    };
    let sink = open("awkward", &["text", "day", "number", "time"], &[]);
    drain(&sink, QueryId::random(), 0, super::partitions::awkward()).await.unwrap();
    let sink = open("batches", &["name"], &[]);
    let q = QueryId::random();
    let mut last = Instant::now();
    for b in 0..1000u64 {
        let w = write(&sink, &[vec![people(&[(b % 3) as i64, 5])]]).await.unwrap();
        let t = Instant::now();
        commit(&sink, q, b, &w).await.unwrap();
        if b % 100 == 98 || b % 100 == 99 { println!("batch {b} commit {:?}; since {:?}", t.elapsed(), last.elapsed()); last = Instant::now(); }
    }
    let t = Instant::now();
    let provider = crate::delta::read_table(&format!("{dir}/batches"), &Default::default()).await.unwrap();
    println!("read_table {:?}", t.elapsed());
    let ctx = datafusion::prelude::SessionContext::new();
    ctx.register_table("t", provider).unwrap();
    let t = Instant::now();
    let r = ctx.sql("select count(*) from t where id = 5").await.unwrap().collect().await.unwrap();
    println!("query {:?} {:?}", t.elapsed(), r[0].column(0));
    let t = Instant::now();
    let fresh = open("batches", &["name"], &[]);
    fresh.open(q, people(&[]).schema()).await.unwrap();
    println!("open {:?}", t.elapsed());
    let w = write(&fresh, &[vec![people(&[1])]]).await.unwrap();
    let t = Instant::now();
    commit(&fresh, q, 1000, &w).await.unwrap();
    println!("first commit of a new process {:?}", t.elapsed());
}
