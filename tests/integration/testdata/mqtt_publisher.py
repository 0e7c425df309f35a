"""Publishes values with QoS 1 in a persistent session of MQTT 3.1.1, through whatever happens to the broker, until standard input ends. Then it waits
until everything has been acknowledged, and prints all that it has published."""

import json
import sys
import threading
import time

import paho.mqtt.client as mqtt

host, port, device = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = mqtt.Client(client_id=device, clean_session=False)
client.username_pw_set("user", "secret")
client.max_inflight_messages_set(20)
client.reconnect_delay_set(min_delay=1, max_delay=1)
acknowledged = set()
client.on_publish = lambda _client, _data, mid: acknowledged.add(mid)
client.connect(host, port, keepalive=10)
client.loop_start()

stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()

published, sent, last = [], set(), 0
while not stopped.is_set():
    if len(sent - acknowledged) < 100:
        last = max(last + 1, time.time_ns() // 1_000_000)
        value = len(published) % 50
        # Without a connection the message is queued, whatever the result says.
        sent.add(client.publish(f"plant/{device}", json.dumps({"ts": last, "values": {"current": value}}), qos=1).mid)
        published.append([last, value])
    time.sleep(0.002)
deadline = time.monotonic() + 30
while sent - acknowledged:
    if time.monotonic() > deadline:
        sys.exit(f"{len(sent - acknowledged)} messages have not been acknowledged")
    time.sleep(0.01)
client.disconnect()
print(json.dumps(published))
