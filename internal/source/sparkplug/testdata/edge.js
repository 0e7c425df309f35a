// An edge node for tests, on the library sparkplug-client: edge.js MODULES HOST PORT. It does what edge.py does, with aliases and units.
"use strict";

const readline = require("node:readline");
const { newClient } = require(`${process.argv[2]}/sparkplug-client`);

const group = "Plant", node = "javascript", device = "press";
const aliases = { supply: 1, temperature: 2, running: 3 };
const types = { supply: "Float", temperature: "Int32", running: "Boolean" };
const units = { supply: "A", temperature: "°C" };
let last = 0, value = 0, stored = [];
const current = {};

const say = (...words) => console.log(words.join(" "));
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

function measure(historical) {
    value++;
    const measured = { supply: value + 0.25, temperature: (value % 200) - 100, running: value % 2 === 0 };
    return Object.entries(measured).map(([name, v]) => {
        last = Math.max(last + 1, Date.now());
        const path = name === "supply" ? `${group}/${node}/${name}` : `${group}/${node}/${device}/${name}`;
        say("value", path, last, Number(v));
        const m = { alias: aliases[name], type: types[name], timestamp: last, value: v, isHistorical: historical };
        if (!historical) {
            current[name] = m;
        }
        return m;
    });
}

const client = newClient({
    serverUrl: `mqtt://${process.argv[3]}:${process.argv[4]}`, username: "user", password: "secret", groupId: group, edgeNode: node,
    clientId: "javascript", version: "spBv1.0", publishDeath: true,
});

const born = name => ({ ...current[name], name, properties: units[name] ? { engUnit: { type: "String", value: units[name] } } : undefined });

function births() {
    const rebirth = { name: "Node Control/Rebirth", type: "Boolean", value: false };
    client.publishNodeBirth({ timestamp: Date.now(), metrics: [rebirth, born("supply")] });
    client.publishDeviceBirth(device, { timestamp: Date.now(), metrics: [born("temperature"), born("running")] });
}

function send(metrics) {
    client.publishNodeData({ timestamp: Date.now(), metrics: metrics.filter(m => m.alias === aliases.supply) });
    client.publishDeviceData(device, { timestamp: Date.now(), metrics: metrics.filter(m => m.alias !== aliases.supply) });
}

measure(false);
client.on("birth", births);
client.on("ncmd", births);

async function main() {
    await pause(700);
    say("done");
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [what, count] = line.split(" ");
        if (what === "data") {
            for (let i = 0; i < Number(count); i++) {
                send(measure(false));
                await pause(5);
            }
        } else if (what === "store") {
            for (let i = 0; i < Number(count); i++) {
                stored.push(...measure(true));
            }
        } else if (what === "replay") {
            send(stored);
            stored = [];
        }
        await pause(200);
        say("done");
    }
}

main();
