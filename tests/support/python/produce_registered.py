"""Writes records as ordinary programs do: Confluent's client, its serializers, a schema registry.

produce_registered.py BOOTSTRAP REGISTRY SPEC.json

SPEC is a list of {"topic", "format": "avro" | "json" | "protobuf", "schema", "records"}, in order. For Avro and JSON, "schema" is the schema
itself, and "references" a list of {"name", "subject", "schema"} that are registered first; for Protobuf, it is a FileDescriptorProto in
protobuf's JSON, and "message" the full name of a message of it. Without a registry, "format" is "plain" (JSON text) or "bytes" (records are
hexadecimal). A record that is null is a tombstone. Records go to partitions 0 to "partitions" - 1 in turn (default: 0 alone), the record at N of
the spec with key kN. Prints the schema ids that the records carry, one for each of the list; 0 without a schema.
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def serializer(client, spec):
    """The serializer, and what makes its argument of a record."""
    if spec["format"] == "plain":
        return lambda record, _context: json.dumps(record).encode(), lambda record: record
    if spec["format"] == "bytes":
        return lambda record, _context: bytes.fromhex(record), lambda record: record
    if spec["format"] == "protobuf":
        pool = descriptor_pool.DescriptorPool()
        pool.Add(json_format.ParseDict(spec["schema"], descriptor_pb2.FileDescriptorProto()))
        message = message_factory.GetMessageClass(pool.FindMessageTypeByName(spec["message"]))
        of = lambda record: json_format.ParseDict(record, message())
        return ProtobufSerializer(message, client, {"use.deprecated.format": False}), of
    kind = spec["format"].upper()
    references = []
    for reference in spec.get("references", []):
        client.register_schema(reference["subject"], Schema(json.dumps(reference["schema"]), kind))
        references.append(SchemaReference(reference["name"], reference["subject"], 1))
    schema = Schema(json.dumps(spec["schema"]), kind, references)
    make = AvroSerializer if kind == "AVRO" else JSONSerializer
    if kind == "AVRO":
        return make(client, schema), lambda record: record
    return make(schema, client, conf={"validate": False}), lambda record: record


def main(bootstrap, registry, path):
    client = SchemaRegistryClient({"url": registry})
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    failed, ids = [], []

    def delivered(error, _message):
        if error is not None:
            failed.append(str(error))

    with open(path) as file:
        specs = json.load(file)
    for spec in specs:
        serialize, of = serializer(client, spec)
        context = SerializationContext(spec["topic"], MessageField.VALUE)
        written = 0
        for number, record in enumerate(spec["records"]):
            value = None if record is None else serialize(of(record), context)
            partition = number % spec.get("partitions", 1)
            producer.produce(spec["topic"], value=value, key=f"k{number}", partition=partition, on_delivery=delivered)
            producer.poll(0)
            if value is not None and "schema" in spec:
                written = int.from_bytes(value[1:5], "big")
        ids.append(written)
    left = producer.flush(60)
    if left or failed:
        sys.exit(f"{left} records are not delivered, {len(failed)} failed: {failed[:3]}")
    print(json.dumps({"ids": ids}))


main(*sys.argv[1:])
