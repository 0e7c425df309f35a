#!/usr/bin/env python3
"""Measures a restart of iotmon after a flood of alerts.

usage: flood.py IOTMON [ALERTS [RUNS]]

IOTMON is the program, as from: go build -o iotmon ./cmd/iotmon. It raises an alert on each of ALERTS devices (100,000), kills the program with
SIGKILL once all are raised and archived, and starts it again RUNS times (3) on copies of its directory. For each start it prints how long it took until
/ready, the processor time until then, and the peak of memory then and ten seconds later. Linux only: the figures are those of /proc.
"""

import datetime
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BATCH = 10_000


class Program:
    """A running iotmon."""

    def __init__(self, binary, directory, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.started = time.monotonic()
        environment = {**os.environ, "IOTMON_DEVICES_OFFLINE_AFTER": "1h"}
        self.process = subprocess.Popen(
            [binary, "-no-simulator", "-addr", self.address, "-data-dir", directory], cwd=os.path.dirname(directory), env=environment, stdout=log, stderr=log)

    def get(self, path):
        with urllib.request.urlopen("http://%s%s" % (self.address, path), timeout=60) as answer:
            return answer.read().decode()

    def await_ready(self):
        """Returns the seconds from the start until /ready."""
        while True:
            try:
                self.get("/ready")
                return time.monotonic() - self.started
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None:
                    sys.exit("iotmon has ended: see the log")
                time.sleep(0.02)

    def metric(self, name):
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.get("/metrics").splitlines() if line.startswith(name))

    def post(self, first, end):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        readings = [
            {"device_id": "device_%06d" % i, "device_type": "temperature_sensor", "timestamp": now, "value": 30, "unit": "°C", "location": {"building": "A", "floor": 1, "room": "101"}}
            for i in range(first, end)]
        request = urllib.request.Request(
            "http://%s/api/v1/readings" % self.address, data=json.dumps(readings).encode(), headers={"Content-Type": "application/json"})
        while True:
            try:
                urllib.request.urlopen(request, timeout=120).read()
                return
            except urllib.error.HTTPError as refused:
                if refused.code not in (429, 503):
                    raise
                time.sleep(0.2)

    def usage(self):
        """Returns seconds of processor time and megabytes of peak memory."""
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        with open("/proc/%d/status" % self.process.pid) as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak / 1000

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def flood(program, alerts):
    program.await_ready()
    began = time.monotonic()
    for first in range(0, alerts, BATCH):
        program.post(first, min(first + BATCH, alerts))
    while program.metric("iot_alerts_generated_total") < alerts:
        time.sleep(0.2)
    raised = time.monotonic() - began
    while program.metric("iot_archive_lag_messages") > 0:
        time.sleep(0.2)
    cpu, peak = program.usage()
    print("%d alerts raised within %.1f s, %.1f s of processor time with the archive, %.0f MB at most" % (alerts, raised, cpu, peak), flush=True)


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    binary = os.path.abspath(sys.argv[1])
    alerts, runs = [int(x) for x in (sys.argv[2:] + ["100000", "3"][len(sys.argv) - 2:])]
    with tempfile.TemporaryDirectory(prefix="iotmon-flood-") as directory, open(os.path.join(directory, "log"), "w") as log:
        filled = os.path.join(directory, "filled")
        program = Program(binary, filled, log)
        try:
            flood(program, alerts)
        finally:
            program.kill()
        for run in range(runs):
            copy = os.path.join(directory, "run-%d" % run)
            shutil.copytree(filled, copy)
            program = Program(binary, copy, log)
            try:
                ready = program.await_ready()
                cpu, peak = program.usage()
                time.sleep(10)
                print("ready after %.1f s, %.1f s of processor time, %.0f MB at most; %.0f MB ten seconds later" % (ready, cpu, peak, program.usage()[1]), flush=True)
            finally:
                program.kill()
            shutil.rmtree(copy)


if __name__ == "__main__":
    main()
