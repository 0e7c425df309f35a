"""A Modbus server for tests, by pymodbus. The first line of standard input configures it, further lines change it; it ends with its input.

It appends a line to the record file for each request before it answers: when that is, the unit, the function, the address, the count and, if the
unit counts, the number that the answer has in its first register.
"""

import asyncio
import json
import os
import ssl
import sys
import threading
import time

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

config = json.loads(sys.stdin.readline())
records = open(config["records"], "a", buffering=1)
behaviour = dict(config["behaviour"] or {})
TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


def device(unit, tables):
    """Makes a device of the addresses that its tables have; it does not have any others."""

    def block(name, datatype):
        found = [SimData(int(a), values=v, datatype=datatype) for a, v in tables.get(name, {}).items()]
        return found or [SimData(65520, values=[False] * 16 if datatype == DataType.BITS else [0], datatype=datatype)]

    served = {"count": 0}

    async def action(function, start, address, count, registers, values):
        how = behaviour.get(unit, {})
        served["count"] += 1
        number = None
        if "counter" in how and function == 3:
            number = (how["counter"] + served["count"]) % 65536
            registers[0] = number
        record = {"at": time.time(), "unit": int(unit), "function": function, "address": address, "count": count, "number": number}
        if values is not None:
            record["written"] = True
        for offset, word in how.get("set", {}).items():
            registers[int(offset) - start] = word
        if code := how.get("exception"):
            record["exception"] = code
        records.write(json.dumps(record) + "\n")
        if delay := how.get("delay"):
            await asyncio.sleep(delay)
        return ExcCodes(code) if code else None

    blocks = (block("coil", DataType.BITS), block("discrete", DataType.BITS), block("holding", DataType.REGISTERS), block("input", DataType.REGISTERS))
    return SimDevice(id=int(unit), simdata=blocks, action=action)


def listen():
    for line in sys.stdin:
        change = json.loads(line)
        behaviour[change["unit"]] = change["how"]
        print("done", flush=True)
    os._exit(0)


async def main():
    devices = [device(unit, tables) for unit, tables in config["units"].items()]
    address = ("127.0.0.1", config["port"])
    if "cert" in config:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=config["ca"])
        context.load_cert_chain(config["cert"], config["key"])
        context.verify_mode = ssl.CERT_REQUIRED
        server = ModbusTlsServer(devices, framer=FramerType.SOCKET, address=address, sslctx=context)
    else:
        server = ModbusTcpServer(devices, framer=FramerType(config.get("framer", "socket")), address=address)
    await server.serve_forever(background=True)
    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
