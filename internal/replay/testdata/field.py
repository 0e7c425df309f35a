#!/usr/bin/env python3
"""Counts and sums of the recordings in data/field, for replay_field_test.go: python3 field.py DIRECTORY > field.json

It shares nothing with the product: each file has its own few lines, with Python's csv and datetime. For each column it
prints how many cells have a value, their sum (fractions add without rounding, and the result is rounded once), and the
oldest and newest time.
"""

import csv
import datetime as d
import fractions
import json
import os
import sys

directory = sys.argv[1]
out = {}


def lines(name, encoding="utf-8"):
    with open(os.path.join(directory, name), encoding=encoding, newline="") as f:
        return f.read().replace("\r\n", "\n").split("\n")


def add(name, column, cells):
    """cells are (time, text) of the rows that count."""
    values = [(at, fractions.Fraction(float(text))) for at, text in cells]
    out.setdefault(name, {})[column] = {
        "count": len(values),
        "sum": float(sum(v for _, v in values)),
        "oldest": min(at for at, _ in values).isoformat() + "Z",
        "newest": max(at for at, _ in values).isoformat() + "Z",
    }


def table(rows):
    return [r for r in csv.reader(rows)]


def hour24(date, clock, fmt):
    h, m = clock.split(":")
    return d.datetime.strptime(date, fmt) + d.timedelta(hours=int(h), minutes=int(m))


name = "airquality_semicolon_decimalcomma_mixed.csv"
rows = [l.split(";") for l in lines(name)[1:] if l]
at = [d.datetime.strptime(r[0] + r[1], "%d/%m/%Y%H.%M.%S") for r in rows]
for i, column in ((2, "CO(GT)"), (12, "T"), (13, "RH")):
    add(name, column, [(a, r[i].replace(",", ".")) for a, r in zip(at, rows) if float(r[i].replace(",", ".")) != -200])

name = "beijing_pm25_split_date.csv"
rows = table(lines(name)[1:-1])
at = [d.datetime(int(r[1]), int(r[2]), int(r[3]), int(r[4])) for r in rows]
for i, column in ((5, "pm2.5"), (7, "TEMP"), (8, "PRES")):
    add(name, column, [(a, r[i]) for a, r in zip(at, rows)])

name = "cams_comments_intervals.csv"
rows = [l.split(";") for l in lines(name) if l and not l.startswith("#")]
at = [d.datetime.strptime(r[0].split("/")[0], "%Y-%m-%dT%H:%M:%S.%f") for r in rows]
for i, column in ((1, "TOA"), (2, "Clear sky GHI")):
    add(name, column, [(a, r[i]) for a, r in zip(at, rows)])

name = "etth1.csv"
rows = table(lines(name)[1:-1])
for i, column in ((1, "HUFL"), (7, "OT")):
    add(name, column, [(d.datetime.fromisoformat(r[0]), r[i]) for r in rows])

name = "hobo_field.csv"
rows = table(lines(name, "utf-8-sig")[2:])
rows = [r for r in rows if r and r[2]]
at = [d.datetime.strptime(r[1], "%m/%d/%y %I:%M:%S %p") for r in rows]
add(name, "Temp, °C (LGR S/N: 10689813, SEN S/N: 10689813)", [(a, r[2]) for a, r in zip(at, rows)])
add(name, "RH, % (LGR S/N: 10689813, SEN S/N: 10689813)", [(a, r[3]) for a, r in zip(at, rows)])

name = "household_power.txt"
rows = [l.split(";") for l in lines(name)[1:] if l]
for i, column in ((4, "Voltage"), (5, "Global_intensity")):
    add(name, column, [(d.datetime.strptime(r[0] + " " + r[1], "%d/%m/%Y %H:%M:%S"), r[i]) for r in rows if r[i] != "?"])

name = "iot_temp_mdy.csv"
rows = [l.split(",") for l in lines(name)[1:] if l]
add(name, "Temperature [Celsius]", [(d.datetime.strptime(r[0], "%m/%d/%y %H:%M"), r[1]) for r in rows])

name = "midc_doy.txt"
text = lines(name)
header = text[0].split(",")
rows = [l.split(",") for l in text[1:] if l]
at = [d.datetime(int(r[1]), 1, 1) + d.timedelta(days=int(r[2]) - 1, hours=int(r[3]) // 100, minutes=int(r[3]) % 100) for r in rows]
for column in ("Temp CHP1 [deg C]", "Air Temperature [deg C]", "Station Pressure [mBar]"):
    i = header.index(column)
    add(name, column, [(a, r[i]) for a, r in zip(at, rows) if float(r[i]) != -7999])

name = "occupancy_short_header.txt"
rows = table([l for l in lines(name)[1:] if l])
for i, column in ((2, "Temperature"), (3, "Humidity"), (7, "Occupancy")):
    add(name, column, [(d.datetime.fromisoformat(r[1]), r[i]) for r in rows])

name = "pronostia_acc_semicolon.csv"
rows = [l.split(";") for l in lines(name) if l]
for i, column in ((4, "5"), (5, "6")):
    add(name, column, [(d.datetime(2010, 12, 1, int(r[0]), int(r[1]), int(r[2]), int(fractions.Fraction(r[3]))), r[i]) for r in rows])

name = "solar_weather_long.csv"
rows = table(lines(name)[1:-1])
for i, column in ((3, "AMBIENT_TEMPERATURE"), (5, "IRRADIATION")):
    add(name, column, [(d.datetime.fromisoformat(r[0]), r[i]) for r in rows])

name = "steel_industry.csv"
rows = table(lines(name, "utf-8-sig")[1:-1])
for i, column in ((1, "Usage_kWh"), (4, "CO2(tCO2)")):
    add(name, column, [(d.datetime.strptime(r[0], "%d-%m-%Y %H:%M"), r[i]) for r in rows])

name = "tmy3_hour24.csv"
text = lines(name)
header = next(csv.reader([text[1]]))
rows = [l.split(",") for l in text[2:] if l]
for column in ("GHI (W/m^2)", "Dry-bulb (C)", "Pressure (mbar)", "Hvis (m)"):
    i = header.index(column)
    add(name, column, [(hour24(r[0], r[1], "%m/%d/%Y"), r[i]) for r in rows if r[i] != "-9900"])

name = "toa5_station_daily.dat"
text = lines(name)
header = next(csv.reader([text[1]]))
rows = table([l for l in text[4:] if l])
for column in ("Batt_Min", "AirT_Max", "RH_Min"):
    i = header.index(column)
    add(name, column, [(d.datetime.fromisoformat(r[0]), r[i]) for r in rows if r[i] not in ("", "NAN")])

name = "wind_scada_gbk.csv"
rows = table(lines(name, "gbk")[1:-1])
for i, column in ((1, "ActivePower"), (4, "Wind Direction (°)")):
    add(name, column, [(d.datetime.strptime(r[0], "%d %m %Y %H:%M"), r[i]) for r in rows])

json.dump(out, sys.stdout, indent=1, ensure_ascii=False)
print()
