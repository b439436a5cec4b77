//! The demo's days: records arrive, are drained, and become layers.

use chrono::{Days, NaiveDate};
use weir::{DemoBroker, Error, Result};
use weir_jobs::{bronze_to_silver, check_table, kafka_to_bronze, sessionize, silver_to_gold};

use super::lake::Lake;
use super::records::{Day, Made, Maker, Topics};
use super::steps::{Steps, run_job};

/// The jobs over one lake.
#[derive(Debug)]
pub(super) struct Pipeline<'a> {
    broker: &'a DemoBroker,
    lake: &'a Lake,
    topics: &'a Topics,
    maker: Maker,
    steps: Steps,
}

impl<'a> Pipeline<'a> {
    pub(super) fn new(
        broker: &'a DemoBroker,
        lake: &'a Lake,
        topics: &'a Topics,
        maker: Maker,
    ) -> Self {
        Self {
            broker,
            lake,
            topics,
            maker,
            steps: Steps::default(),
        }
    }

    /// Two days of `count` records, from `first_day`: what was made, and how long each step took.
    pub(super) async fn run(mut self, first_day: NaiveDate, count: u64) -> Result<(Made, Steps)> {
        let lake = self.lake;
        self.steps
            .step("write products", |rows| *rows, lake.write_products())
            .await?;
        let second_day = first_day + Days::new(1);
        let noon = count / 2;
        for (date, numbers) in [(first_day, 0..noon), (second_day, noon..count)] {
            self.day(&Day { date, numbers }).await?;
        }
        self.gold(first_day, second_day).await?;
        self.check(second_day + Days::new(1)).await?;
        Ok((self.maker.made, self.steps))
    }

    /// Records of one day come and are drained, then made silver.
    async fn day(&mut self, day: &Day) -> Result<()> {
        let date = day.date.to_string();
        let records = self.maker.records(day);
        let broker = self.broker;
        let produce = async {
            // The producer blocks, but the demo has nothing else to do.
            let produced = broker.produce(records)?;
            match broker.lost_records()? {
                0 => Ok(produced),
                lost => Err(Error::internal(format!(
                    "the embedded broker dropped {lost} records before they were read"
                ))),
            }
        };
        self.steps
            .step(&format!("produce {date}"), |rows| *rows, produce)
            .await?;
        let topics = format!("{},{}", self.topics.orders, self.topics.clicks);
        let (bronze, checkpoint) = (self.lake.table("bronze"), self.lake.table("checkpoint"));
        let servers = self.broker.bootstrap_servers();
        let arguments = [
            "--bootstrap-servers",
            &servers,
            "--topics",
            &topics,
            "--out",
            &bronze,
            "--checkpoint",
            &checkpoint,
            "--load-date",
            &date,
            "--max-offsets-per-trigger",
            "40000",
        ];
        let drain = run_job(&arguments, |arguments, stop| {
            kafka_to_bronze::run(arguments, stop, Vec::new())
        });
        self.steps
            .step(
                &format!("kafka_to_bronze {date}"),
                |drained: &kafka_to_bronze::Drained| drained.rows,
                drain,
            )
            .await?;
        for (entity, topic) in [
            ("orders", &self.topics.orders),
            ("clicks", &self.topics.clicks),
        ] {
            let silver = self.lake.table(&format!("silver_{entity}"));
            let quarantine = self.lake.table("quarantine");
            let arguments = [
                "--bronze",
                &bronze,
                "--silver",
                &silver,
                "--quarantine",
                &quarantine,
                "--entity",
                entity,
                "--topics",
                topic,
                "--load-date",
                &date,
            ];
            self.steps
                .step(
                    &format!("bronze_to_silver {entity} {date}"),
                    |layered: &bronze_to_silver::Layered| layered.bronze_rows,
                    run_job(&arguments, bronze_to_silver::run),
                )
                .await?;
        }
        Ok(())
    }

    /// Gold and sessions of both days.
    async fn gold(&mut self, first: NaiveDate, last: NaiveDate) -> Result<()> {
        let (orders, clicks) = (
            self.lake.table("silver_orders"),
            self.lake.table("silver_clicks"),
        );
        let (products, gold) = (self.lake.table("products"), self.lake.table("gold_revenue"));
        let dates = format!("{first}..{last}");
        let arguments = [
            "--silver",
            &orders,
            "--products",
            &products,
            "--gold",
            &gold,
            "--date",
            &dates,
        ];
        self.steps
            .step(
                &format!("silver_to_gold {dates}"),
                |done: &silver_to_gold::Gold| done.silver_rows,
                run_job(&arguments, silver_to_gold::run),
            )
            .await?;
        let sessions = self.lake.table("gold_sessions");
        for date in [first.to_string(), last.to_string()] {
            let arguments = ["--silver", &clicks, "--out", &sessions, "--date", &date];
            self.steps
                .step(
                    &format!("sessionize {date}"),
                    |done: &sessionize::Sessionized| done.silver_rows,
                    run_job(&arguments, sessionize::run),
                )
                .await?;
        }
        Ok(())
    }

    /// The suite over silver orders, as of the morning after.
    async fn check(&mut self, morning: NaiveDate) -> Result<()> {
        let (orders, report) = (self.lake.table("silver_orders"), self.lake.table("checks"));
        let suite = self.lake.write_suite()?;
        let as_of = format!("{morning}T00:00:00Z");
        let arguments = [
            "--table", &orders, "--suite", &suite, "--report", &report, "--as-of", &as_of,
        ];
        self.steps
            .step(
                "check_table silver_orders",
                |summary: &check_table::Summary| summary.checks,
                run_job(&arguments, check_table::run),
            )
            .await?;
        Ok(())
    }
}
