"""An OPC UA server for the tests, with asyncua. It ends when its standard input does.

A line of the standard input is a command; each is answered with a line:
  write NODE VALUE          writes a number
  ramp NODE FROM TO MILLIS  writes FROM, FROM+1 … TO with the pause between them; answers when it has
  all COUNT                 writes COUNT numbers to every item in turn
  delete NODE               removes a variable
  create NODE [VALUE]       makes a variable of a number, 1 by default
  overflow NODE VALUE       writes a number with the bits of a queue that was full, which asyncua does not set by itself
  stamp NODE VALUE SECONDS  writes a number whose source has that time, in seconds since 1970
"""

import argparse
import asyncio
import json
import sys
import uuid
from datetime import datetime, timezone

from asyncua import Server, ua
from asyncua.crypto.permission_rules import SimpleRoleRuleset
from asyncua.server.user_managers import UserManager
from asyncua.crypto.permission_rules import User, UserRole

URI = "urn:iotmon:test:plant"


class Users(UserManager):
    def __init__(self, user, password, certificate):
        self.user, self.password, self.certificate = user, password, certificate

    def get_user(self, iserver, username=None, password=None, certificate=None):
        if not self.user:
            return User(role=UserRole.Admin)
        if username is not None:
            return User(role=UserRole.Admin) if (username, password) == (self.user, self.password) else None
        # Without a user it is the certificate of an encrypted connection, or nothing.
        if certificate and self.certificate is not None and certificate != self.certificate:
            return None
        return User(role=UserRole.Admin)


async def main():
    p = argparse.ArgumentParser()
    p.add_argument("--port", type=int)
    p.add_argument("--cert")
    p.add_argument("--key")
    p.add_argument("--user")
    p.add_argument("--password")
    p.add_argument("--items", type=int, default=0)
    p.add_argument("--user-cert", help="the certificate of the user, in PEM")
    p.add_argument("--nodes", help="further variables, in JSON: [{uri, id, path: [...], value}]")
    p.add_argument("--path", default="/", help="the path of the endpoint")
    p.add_argument("--numeric", action="store_true", help="other node ids")
    p.add_argument("--shift", action="store_true", help="another namespace index")
    o = p.parse_args()

    known = None
    if o.user_cert:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        with open(o.user_cert, "rb") as f:
            known = x509.load_pem_x509_certificate(f.read()).public_bytes(Encoding.DER)
    server = Server(user_manager=Users(o.user, o.password, known))
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{o.port}{o.path}")
    policies = [ua.SecurityPolicyType.NoSecurity]
    if o.cert:
        policies.append(ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt)
        policies.append(ua.SecurityPolicyType.Basic256Sha256_Sign)
        await server.load_certificate(o.cert)
        await server.load_private_key(o.key)
    server.set_security_policy(policies, permission_ruleset=SimpleRoleRuleset())
    if o.user:
        server.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken] + ([ua.X509IdentityToken] if known else []))
    if o.shift:
        await server.register_namespace("urn:iotmon:test:another")
    for extra in json.loads(o.nodes or "[]"):
        await server.register_namespace(extra["uri"])
    ns = await server.register_namespace(URI)

    counter = 50000

    def node_id(name):
        nonlocal counter
        if o.numeric:
            counter += 100
            return ua.NodeId(counter, ns)
        return ua.NodeId(name, ns)

    plant = await server.nodes.objects.add_object(node_id("Plant"), f"{ns}:Plant")
    line = await plant.add_object(node_id("Line1"), f"{ns}:Line1")
    nodes = {}

    async def add(name, value, kind, parent=line):
        v = await parent.add_variable(node_id(f"Line1.{name}"), f"{ns}:{name}", value, kind)
        await v.set_writable()
        nodes[name] = (v, kind)
        return v

    t = ua.VariantType
    temp = await add("Temp", 20.5, t.Double)
    eu = ua.EUInformation()
    eu.NamespaceUri, eu.UnitId, eu.DisplayName = "http://www.opcfoundation.org/UA/units/un/cefact", 4408652, ua.LocalizedText("°C")
    await temp.add_property(node_id("Line1.Temp.EU"), "0:EngineeringUnits", eu)
    await add("Bool", True, t.Boolean)
    await add("SByte", -7, t.SByte)
    await add("Byte", 200, t.Byte)
    await add("Int16", -300, t.Int16)
    await add("UInt16", 60000, t.UInt16)
    await add("Int32", -70000, t.Int32)
    await add("UInt32", 4000000000, t.UInt32)
    await add("Int64", -(2**62), t.Int64)
    await add("UInt64", 2**64 - 1, t.UInt64)
    await add("Float", 1.5, t.Float)
    await add("NaN", float("nan"), t.Double)
    await add("String", "running", t.String)
    await add("Empty", "", t.String)
    await add("Date", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), t.DateTime)
    await add("Guid", uuid.UUID("12345678-1234-5678-1234-567812345678"), t.Guid)
    await add("Bytes", b"\x01\xff", t.ByteString)
    await add("Text", ua.LocalizedText("läuft"), t.LocalizedText)
    await add("Array", [1.0, 2.0, 3.0], t.Double)
    await add("Words", ["run", "stop"], t.String)
    for name in ["Counter", "Cut", "Beaten", "Gone", "Paused", "Held", "Stamped", "Filled"]:
        await add(name, 0, t.Int64)

    from asyncua.common.structures104 import new_struct, new_struct_field

    await new_struct(server, ns, "Motor", [
        new_struct_field("Speed", ua.VariantType.Double),
        new_struct_field("Count", ua.VariantType.Int32),
        new_struct_field("Name", ua.VariantType.String),
        new_struct_field("Phases", ua.VariantType.Float, array=True),
    ])
    types = await server.load_data_type_definitions()
    motor = ua.Motor()
    motor.Speed, motor.Count, motor.Name, motor.Phases = 1450.5, 3, "M1", [1.0, 2.0, 3.0]
    await add("Motor", motor, t.ExtensionObject)
    old = datetime(2026, 11, 1, tzinfo=timezone.utc)
    bad = await add("Bad", 0.0, t.Double)
    await bad.write_value(ua.DataValue(ua.Variant(7.0, t.Double), ua.StatusCode(ua.StatusCodes.BadSensorFailure), old))
    unsure = await add("Uncertain", 0.0, t.Double)
    await unsure.write_value(ua.DataValue(ua.Variant(8.0, t.Double), ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)))
    items = []
    if o.items:
        many = await plant.add_object(node_id("Many"), f"{ns}:Many")
        for i in range(o.items):
            if i % 100 == 0:  # The library compares each new child with all the others of its parent.
                group = await many.add_object(node_id(f"Group.{i}"), f"{ns}:Group{i}")
            v = await group.add_variable(node_id(f"Item.{i}"), f"{ns}:Item{i}", float(i), t.Double)
            items.append(v)

    for extra in json.loads(o.nodes or "[]"):
        index = await server.register_namespace(extra["uri"])
        parent = server.nodes.objects
        for level in extra["path"][:-1]:
            try:
                parent = await parent.get_child(f"{index}:{level}")
            except ua.UaError:
                parent = await parent.add_object(index, level)
        v = await parent.add_variable(ua.NodeId.from_string(f"ns={index};{extra['id']}"), f"{index}:{extra['path'][-1]}", extra["value"], t.Double)

    def value(kind, number, at=None):
        if kind in (t.Double, t.Float):
            v = ua.Variant(float(number), kind)
        else:
            v = ua.Variant(int(number), kind)
        now = at or datetime.now(timezone.utc)
        return ua.DataValue(v, ua.StatusCode(0), now, now)

    async with server:
        print("ready", flush=True)
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while True:
            line_ = await reader.readline()
            if not line_:
                return
            words = line_.decode().split()
            if words[0] == "write":
                v, kind = nodes[words[1]]
                await v.write_value(value(kind, float(words[2])))
            elif words[0] == "ramp":
                v, kind = nodes[words[1]]
                for n in range(int(words[2]), int(words[3]) + 1):
                    await v.write_value(value(kind, n))
                    await asyncio.sleep(float(words[4]) / 1000)
            elif words[0] == "overflow":
                v, kind = nodes[words[1]]
                full = value(kind, float(words[2]))
                await v.write_value(ua.DataValue(full.Value, ua.StatusCode(0x480), full.SourceTimestamp, full.ServerTimestamp))
            elif words[0] == "stamp":
                v, kind = nodes[words[1]]
                await v.write_value(value(kind, float(words[2]), datetime.fromtimestamp(float(words[3]), timezone.utc)))
            elif words[0] == "all":
                for n in range(int(words[1])):
                    for v in items:
                        await v.write_value(value(t.Double, n))
                    await asyncio.sleep(0)
            elif words[0] == "delete":
                await server.delete_nodes([nodes[words[1]][0]])
            elif words[0] == "create":
                await add(words[1], float(words[2]) if len(words) > 2 else 1.0, t.Double)
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
