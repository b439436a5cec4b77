//! The records: orders as JSON, about 1 KB of 12 fields (or 200 B of 8), each a function of its number alone.

use std::fmt::Write as _;

const STATUSES: [&str; 5] = ["created", "paid", "packed", "shipped", "returned"];
const CURRENCIES: [&str; 4] = ["EUR", "USD", "GBP", "SEK"];
const CITIES: [&str; 8] = [
    "Amsterdam",
    "Barcelona",
    "Copenhagen",
    "Dublin",
    "Gothenburg",
    "Hamburg",
    "Lisbon",
    "Vienna",
];
const STREETS: [&str; 8] = [
    "Station Road",
    "Mill Lane",
    "High Street",
    "Church Walk",
    "Harbour Quay",
    "Garden Row",
    "King Street",
    "Park Avenue",
];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
];
const PHRASES: [&str; 16] = [
    "please leave the parcel with the neighbours ",
    "gift wrapping was asked for, with a card ",
    "the customer called about the delivery date ",
    "second address line was corrected by hand ",
    "invoice goes to the company, not to the person ",
    "fragile: glass, to be carried upright ",
    "part of the order is on back order until monday ",
    "discount was granted after the complaint ",
    "delivery in the evening only, between 18 and 20 ",
    "the old device is to be taken back ",
    "payment by instalments, first one received ",
    "express shipping at the cost of the shop ",
    "size was exchanged before packing ",
    "voucher was used, the rest was paid by card ",
    "customs papers are attached outside ",
    "the colour differs from the picture, customer agreed ",
];

/// Appends the value of record `number` to `value`, which is cleared first.
pub fn write_value(value: &mut String, number: u64) {
    let mut random = Random(number);
    value.clear();
    let (a, b) = (random.next(), random.next());
    let customer = random.below(2_000_000);
    let quantity = 1 + random.below(9);
    let cents = 100 + random.below(500_000);
    let second = number / 50;
    let (day, hour, minute) = (
        1 + second / 86_400 % 28,
        second / 3600 % 24,
        second / 60 % 60,
    );
    // Writing to a string cannot fail.
    let _ = write!(
        value,
        "{{\"order_id\":\"{a:016x}{b:016x}\",\"customer_id\":{customer},\
         \"created_at\":\"2026-01-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z\",\
         \"status\":\"{}\",\"currency\":\"{}\",\"amount\":{}.{:02},\"quantity\":{quantity},\
         \"paid\":{},\"email\":\"customer.{customer}@mail.example.com\",\
         \"shipping_address\":\"{} {}, {:05} {}\",\"user_agent\":\"{}\",\"note\":\"",
        second % 60,
        random.below(1000),
        random.of(&STATUSES),
        random.of(&CURRENCIES),
        cents / 100,
        cents % 100,
        random.below(2) == 0,
        random.of(&STREETS),
        1 + random.below(200),
        random.below(100_000),
        random.of(&CITIES),
        random.of(&AGENTS),
    );
    while value.len() < 960 {
        value.push_str(random.of(&PHRASES));
        let _ = write!(value, "{:05x} ", random.below(1 << 20));
    }
    value.push_str("\"}");
}

/// Appends the value of record `number` to `value`, which is cleared first: the first eight fields of [`write_value`]'s, about 200 B.
pub fn write_small_value(value: &mut String, number: u64) {
    write_value(value, number);
    if let Some(end) = value.find(",\"email\"") {
        value.truncate(end);
        value.push('}');
    }
}

/// Appends the key of record `number` to `key`, which is cleared first.
pub fn write_key(key: &mut String, number: u64) {
    key.clear();
    let _ = write!(key, "order-{number}");
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or(0)]
    }
}
