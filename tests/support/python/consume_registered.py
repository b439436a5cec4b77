"""Reads records as ordinary programs do: Confluent's client, its deserializers, a schema registry; fastavro and protobuf for records without headers.

consume_registered.py BOOTSTRAP REGISTRY SPEC.json

SPEC is a list of {"topic", "format": "avro" | "json" | "protobuf" | "avro.plain" | "protobuf.plain", "schema", "message"}. "schema" is of
"avro.plain" the schema, of Protobuf a FileDescriptorProto in protobuf's JSON, of which "message" is a message's full name. Prints the values of
each topic's only partition, from its beginning to its end, as JSON; null for a record without a value.
"""

import io
import json
import sys
import warnings

warnings.filterwarnings("ignore")

import fastavro
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf import timestamp_pb2


def message_class(spec):
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(file)
    pool.Add(file)
    pool.Add(json_format.ParseDict(spec["schema"], descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(spec["message"]))


def as_dict(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def deserializer(client, spec):
    """What makes a value of a record's bytes, and of the value what is printed."""
    kind, plain = spec["format"], lambda value: value
    if kind == "avro":
        return AvroDeserializer(client), plain
    if kind == "json":
        return JSONDeserializer(None, schema_registry_client=client), plain
    if kind == "protobuf":
        return ProtobufDeserializer(message_class(spec), {"use.deprecated.format": False}), as_dict
    if kind == "avro.plain":
        schema = fastavro.parse_schema(spec["schema"])

        def read(value, _context):
            stream = io.BytesIO(value)
            found = fastavro.schemaless_reader(stream, schema)
            assert stream.read() == b"", "bytes follow the record"
            return found

        return read, plain
    message = message_class(spec)
    return lambda value, _context: message.FromString(value), as_dict


def main(bootstrap, registry, path):
    client = SchemaRegistryClient({"url": registry})
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "consume-registered", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    )
    with open(path) as file:
        specs = json.load(file)
    all_values = []
    for spec in specs:
        topic = spec["topic"]
        deserialize, shown = deserializer(client, spec)
        context = SerializationContext(topic, MessageField.VALUE)
        partition = TopicPartition(topic, 0, 0)
        first, end = consumer.get_watermark_offsets(partition, timeout=30)
        consumer.assign([partition])
        values = []
        while first < end:
            message = consumer.poll(30)
            if message is None or message.error() is not None:
                sys.exit(f"{topic}: no record at {first} of {end}: {message and message.error()}")
            value = message.value()
            values.append(None if value is None else shown(deserialize(value, context)))
            first = message.offset() + 1
        all_values.append(values)
    as_text = lambda value: value.hex() if isinstance(value, bytes) else getattr(value, "isoformat", value.__str__)()
    print(json.dumps({"values": all_values}, default=as_text))


main(*sys.argv[1:])
