"""The Python side of the benchmark of decoding (benches/src/decode.rs).

python.py make SPEC.json: writes the records of each size, which are there as lines of JSON, in every format: a Parquet file of one binary
column `value`. So what is decoded was written by other libraries than those that are measured against.

python.py serve SPEC.json: reads one command per line of stdin, {"size", "format"}, decodes those records one by one into values of
Python, and answers with a line: seconds, records, and the sum of their customers.
"""

import csv
import datetime
import io
import json
import operator
import sys
import time

import fastavro
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.internal import api_implementation

PROTOBUF_TYPES = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
}


def descriptors(fields):
    """A set of descriptors with the message `bench.Order`."""
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package="bench", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")
    message = file.message_type.add(name="Order")
    for number, (name, kind) in enumerate(fields, start=1):
        field = message.field.add(name=name, json_name=name, number=number)
        field.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
        if kind in PROTOBUF_TYPES:
            field.type = PROTOBUF_TYPES[kind]
        else:
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
            field.type_name = f".{kind}"
    timestamps = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(timestamps)
    return descriptor_pb2.FileDescriptorSet(file=[timestamps, file])


def message_class(fields):
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors(fields).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Order"))


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def make(spec):
    for size in spec["sizes"]:
        with open(size["lines"], "rb") as file:
            lines = file.read().splitlines()
        with open(size["descriptors"], "wb") as file:
            file.write(descriptors(size["protobuf"]).SerializeToString())
        schema = fastavro.parse_schema(json.loads(size["avro"]))
        message = message_class(size["protobuf"])
        avro, protobuf, comma = [], [], []
        for line in lines:
            record = orjson.loads(line)
            text = io.StringIO()
            csv.writer(text, lineterminator="").writerow(
                "true" if value is True else "false" if value is False else value for value in record.values()
            )
            comma.append(text.getvalue().encode())
            created = instant(record["created_at"])
            encoded = io.BytesIO()
            fastavro.schemaless_writer(encoded, schema, {**record, "created_at": created})
            avro.append(encoded.getvalue())
            del record["created_at"]
            order = message(**record)
            order.created_at.FromDatetime(created)
            protobuf.append(order.SerializeToString())
        ids = {kind: b"\0" + number.to_bytes(4, "big") for kind, number in size["ids"].items()}
        columns = {
            "json": lines,
            "csv": comma,
            "avro": avro,
            "protobuf": protobuf,
            "json-registry": [ids["json"] + value for value in lines],
            "avro-registry": [ids["avro"] + value for value in avro],
            # The message is the first of its schema: indexes [0], which are written as one zero.
            "protobuf-registry": [ids["protobuf"] + b"\0" + value for value in protobuf],
        }
        for name, values in columns.items():
            table = pa.table({"value": pa.array(values, pa.binary())})
            pq.write_table(table, f"{size['files']}-{name}.parquet", use_dictionary=False, store_schema=False)


def decoded_json(values, _size):
    total = 0
    for value in values:
        total += orjson.loads(value)["customer_id"]
    return total


def decoded_csv(values, _size):
    total = 0
    for row in csv.reader(value.decode() for value in values):
        total += int(row[1])
    return total


def decoded_avro(values, size):
    schema = fastavro.parse_schema(json.loads(size["avro"]))
    total = 0
    for value in values:
        total += fastavro.schemaless_reader(io.BytesIO(value), schema)["customer_id"]
    return total


def decoded_protobuf(values, size):
    message = message_class(size["protobuf"])
    names = [name for name, _ in size["protobuf"]]
    fields, customer = operator.attrgetter(*names), names.index("customer_id")
    total = 0
    for value in values:
        total += fields(message.FromString(value))[customer]
    return total


DECODERS = {"json": decoded_json, "csv": decoded_csv, "avro": decoded_avro, "protobuf": decoded_protobuf}


def serve(spec):
    if api_implementation.Type() != "upb":
        sys.exit(f"protobuf runs on {api_implementation.Type()}, not upb")
    sizes = {size["name"]: size for size in spec["sizes"]}
    read, values = None, []
    for line in sys.stdin:
        command = json.loads(line)
        size = sizes[command["size"]]
        path = f"{size['files']}-{command['format']}.parquet"
        if path != read:
            read, values = path, pq.read_table(path)["value"].to_pylist()
        begun = time.perf_counter()
        customers = DECODERS[command["format"]](values, size)
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "records": len(values), "customers": customers}), flush=True)


def main(what, path):
    with open(path) as file:
        spec = json.load(file)
    {"make": make, "serve": serve}[what](spec)


main(*sys.argv[1:])
