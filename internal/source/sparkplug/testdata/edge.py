"""An edge node for tests, on the library pysparkplug: edge.py HOST PORT.

It writes what it has recorded to its output, a line for each value: "value NAME TIMESTAMP VALUE". It does what it reads from its input:
data N (measure and send N times), store N (measure and keep), replay (send what is kept), ask for nothing else. After each it writes "done".
"""

import itertools
import sys
import time

import pysparkplug as sp

GROUP, NODE, DEVICE = "Plant", "python", "press"
last = 0
value = 0


def now():
    global last
    last = max(last + 1, int(time.time() * 1000))
    return last


def say(*words):
    print(*words, flush=True)


def metric(name, datatype, number, historical=False):
    stamp = now()
    path = f"{GROUP}/{NODE}/{name}" if name == "supply" else f"{GROUP}/{NODE}/{DEVICE}/{name}"
    say("value", path, stamp, float(number))
    return sp.Metric(timestamp=stamp, name=name, datatype=datatype, value=number, is_historical=historical)


def measure(historical=False):
    """Returns a metric of the node, and those of the device."""
    global value
    value += 1
    supply = metric("supply", sp.DataType.FLOAT, value + 0.5, historical)
    temperature = metric("temperature", sp.DataType.INT16, value % 200 - 100, historical)
    running = metric("running", sp.DataType.BOOLEAN, value % 2 == 0, historical)
    return [supply], [temperature, running]


def command(node, message):
    """Answers a rebirth request, for which the library has no function: the births are those of connect."""
    node._EdgeNode__seq_cycler = itertools.cycle(range(256))
    number = sp.Metric(timestamp=now(), name="bdSeq", datatype=sp.DataType.INT64, value=0)
    birth = sp.NBirth(timestamp=now(), seq=node._seq, metrics=(*node.metrics.values(), number))
    topic = sp.Topic(message_type=sp.MessageType.NBIRTH, group_id=GROUP, edge_node_id=NODE)
    node._client.publish(sp.Message(topic=topic, payload=birth, qos=sp.QoS.AT_MOST_ONCE, retain=False), include_dtypes=True)
    for device in node.devices.values():
        birth = sp.DBirth(timestamp=now(), seq=node._seq, metrics=tuple(device.metrics.values()))
        topic = sp.Topic(message_type=sp.MessageType.DBIRTH, group_id=GROUP, edge_node_id=NODE, device_id=device.device_id)
        node._client.publish(sp.Message(topic=topic, payload=birth, qos=sp.QoS.AT_MOST_ONCE, retain=False), include_dtypes=True)


def main():
    own, of_device = measure()
    client = sp.Client(client_id="python", username="user", password="secret")
    node = sp.EdgeNode(GROUP, NODE, own, client=client, cmd_callback=command)
    node.register(sp.Device(DEVICE, of_device))
    node.connect(sys.argv[1], port=int(sys.argv[2]))
    stored = []
    time.sleep(0.5)
    say("done")
    for line in sys.stdin:
        words = line.split()
        if words[0] == "data":
            for _ in range(int(words[1])):
                own, of_device = measure()
                node.update(own)
                node.update_device(DEVICE, of_device)
                time.sleep(0.005)
        elif words[0] == "store":
            stored += [measure(historical=True) for _ in range(int(words[1]))]
        elif words[0] == "replay":
            # Each of the two updates has many values of one metric, at different times.
            node.update([m for own, _ in stored for m in own])
            node.update_device(DEVICE, [m for _, of_device in stored for m in of_device])
            stored = []
        time.sleep(0.2)
        say("done")


main()
