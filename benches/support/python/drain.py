"""The drain as a plain Python loop: confluent-kafka, pyarrow and deltalake. Batches of records are appended to a Delta table."""

import argparse

import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition
from deltalake import write_deltalake

SCHEMA = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", "UTC")),
        ("timestamp_type", pa.int32()),
        ("message_key", pa.string()),
        ("message_value", pa.string()),
        ("load_date", pa.string()),
    ]
)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bootstrap", required=True)
    arguments.add_argument("--topic", required=True)
    arguments.add_argument("--partitions", type=int, required=True)
    arguments.add_argument("--batch", type=int, required=True)
    arguments.add_argument("--out", required=True)
    arguments = arguments.parse_args()

    consumer = Consumer(
        {
            "bootstrap.servers": arguments.bootstrap,
            "group.id": "drain",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # As in Weir.
            "queued.max.messages.kbytes": 16384,
            "queued.min.messages": 100000,
            "fetch.max.bytes": 8388608,
            "fetch.message.max.bytes": 4194304,
            "fetch.queue.backoff.ms": 10,
            "fetch.wait.max.ms": 20,
        }
    )
    partitions = [TopicPartition(arguments.topic, partition, 0) for partition in range(arguments.partitions)]
    remaining = sum(consumer.get_watermark_offsets(partition)[1] for partition in partitions)
    consumer.assign(partitions)
    while remaining > 0:
        batch = []
        while len(batch) < min(arguments.batch, remaining):
            messages = consumer.consume(min(arguments.batch, remaining) - len(batch), timeout=1.0)
            for message in messages:
                if message.error():
                    raise RuntimeError(message.error())
            batch += messages
        remaining -= len(batch)
        write_deltalake(arguments.out, table(batch), mode="append")
    consumer.close()


def table(messages):
    timestamps = [message.timestamp() for message in messages]
    columns = [
        [message.topic() for message in messages],
        [message.partition() for message in messages],
        [message.offset() for message in messages],
        [millis * 1000 for _, millis in timestamps],
        [kind - 1 for kind, _ in timestamps],
        [text(message.key()) for message in messages],
        [text(message.value()) for message in messages],
        ["2026-01-31"] * len(messages),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def text(data):
    return None if data is None else data.decode()


if __name__ == "__main__":
    main()
