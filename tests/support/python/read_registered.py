"""Reads the Avro records of a topic as an ordinary program does: Confluent's client, its deserializer, fastavro.

read_registered.py BOOTSTRAP REGISTRY TOPIC SUBJECT VERSION

Prints one line of JSON for each record there is: {"partition", "offset", "value"}, with the record as the reader's schema has it (null for a
tombstone), or {"partition", "offset", "bad"}, with the error, for one that cannot be read as that. The reader's schema is VERSION of SUBJECT.
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main(bootstrap, registry, topic, subject, version):
    client = SchemaRegistryClient({"url": registry})
    reader = client.get_version(subject, int(version)).schema.schema_str
    deserialize = AvroDeserializer(client, reader)
    context = SerializationContext(topic, MessageField.VALUE)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True})
    partitions = list(consumer.list_topics(topic, 30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    left = set(partitions)
    while left:
        message = consumer.poll(30)
        if message is None:
            sys.exit(f"{topic} does not end: {left}")
        if message.error() is not None:
            if message.error().name() != "_PARTITION_EOF":
                sys.exit(str(message.error()))
            left.discard(message.partition())
            continue
        found = {"partition": message.partition(), "offset": message.offset()}
        try:
            found["value"] = None if message.value() is None else deserialize(message.value(), context)
        except Exception as error:  # Whatever a client makes of a record that is none.
            found["bad"] = f"{type(error).__name__}: {error}"
        print(json.dumps(found))
    consumer.close()


main(*sys.argv[1:])
