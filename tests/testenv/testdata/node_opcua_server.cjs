// An OPC UA server for the tests, with node-opcua. It ends when its standard input does. Its commands are those of asyncua_server.py, and
//   expire   ends every session as if it had timed out
"use strict";

const path = require("node:path");
const readline = require("node:readline");
const opcua = require("node-opcua");
const opcua_crypto = require("node-opcua-crypto");

const URI = "urn:iotmon:test:plant";
const { DataType, DataValue, OPCUAServer, StatusCodes, Variant, VariantArrayType } = opcua;

function options() {
    const o = { items: 0 };
    const words = process.argv.slice(2);
    while (words.length > 0) {
        const name = words.shift().slice(2);
        o[name] = name === "numeric" || name === "shift" ? true : words.shift();
    }
    return o;
}

async function main() {
    const o = options();
    const users = new opcua.OPCUACertificateManager({
        rootFolder: path.join(process.env.OPCUA_DIRECTORY, "users"), automaticallyAcceptUnknownCertificate: !o["user-cert"],
    });
    await users.initialize();
    if (o["user-cert"]) {
        await users.trustCertificate(opcua_crypto.readCertificate(o["user-cert"]));
    }
    const certificates = new opcua.OPCUACertificateManager({
        rootFolder: path.join(process.env.OPCUA_DIRECTORY, "pki"), automaticallyAcceptUnknownCertificate: true,
    });
    await certificates.initialize();
    const secure = Boolean(o.cert);
    const server = new OPCUAServer({
        resourcePath: o.path, port: Number(o.port), host: "127.0.0.1", hostname: "127.0.0.1",
        serverCertificateManager: certificates, userCertificateManager: users,
        ...(secure ? { certificateFile: o.cert, privateKeyFile: o.key } : {}),
        securityModes: secure ? [opcua.MessageSecurityMode.None, opcua.MessageSecurityMode.Sign, opcua.MessageSecurityMode.SignAndEncrypt] : [opcua.MessageSecurityMode.None],
        securityPolicies: secure ? [opcua.SecurityPolicy.None, opcua.SecurityPolicy.Basic256Sha256, opcua.SecurityPolicy.Aes256_Sha256_RsaPss] : [opcua.SecurityPolicy.None],
        allowAnonymous: true,
        userManager: { isValidUser: (user, password) => user === o.user && password === o.password },
        nodeset_filename: [opcua.nodesets.standard],
        maxConnectionsPerEndpoint: 100,
        // With 0, every change of a variable counts, however soon it follows the last.
        serverCapabilities: { minSupportedSampleRate: 0, maxSessions: 100, maxMonitoredItemsPerSubscription: 20000, maxMonitoredItems: 100000, maxMonitoredItemsPerSession: 100000,
            operationLimits: { maxMonitoredItemsPerCall: 500, maxNodesPerRead: 300, maxNodesPerBrowse: 50 } },
    });
    await server.initialize();
    const space = server.engine.addressSpace;
    if (o.shift) {
        space.registerNamespace("urn:iotmon:test:another");
    }
    for (const extra of JSON.parse(o.nodes ?? "[]")) {
        space.registerNamespace(extra.uri);
    }
    const ns = space.registerNamespace(URI);
    let counter = 50000;
    const id = (name) => (o.numeric ? `i=${counter += 100}` : `s=${name}`);
    const plant = ns.addObject({ organizedBy: space.rootFolder.objects, nodeId: id("Plant"), browseName: "Plant" });
    const line = ns.addObject({ organizedBy: plant, nodeId: id("Line1"), browseName: "Line1" });
    const nodes = new Map();
    const add = (name, dataType, value, more = {}) => {
        const v = ns.addVariable({
            componentOf: line, nodeId: id(`Line1.${name}`), browseName: name, dataType, minimumSamplingInterval: 0, ...more,
            value: value === undefined ? undefined : { dataType: more.variantType ?? dataType, value, ...(more.array ?? {}) },
        });
        nodes.set(name, { v, dataType });
        return v;
    };
    ns.addAnalogDataItem({
        componentOf: line, nodeId: id("Line1.Temp"), browseName: "Temp", dataType: DataType.Double, minimumSamplingInterval: 0,
        engineeringUnitsRange: { low: 0, high: 100 }, engineeringUnits: opcua.standardUnits.degree_celsius,
        value: { dataType: DataType.Double, value: 20.5 },
    });
    nodes.set("Temp", { v: ns.findNode(line.getComponentByName("Temp").nodeId), dataType: DataType.Double });
    add("Bool", DataType.Boolean, true);
    add("SByte", DataType.SByte, -7);
    add("Byte", DataType.Byte, 200);
    add("Int16", DataType.Int16, -300);
    add("UInt16", DataType.UInt16, 60000);
    add("Int32", DataType.Int32, -70000);
    add("UInt32", DataType.UInt32, 4000000000);
    const scalar = { array: { arrayType: VariantArrayType.Scalar } };
    add("Int64", DataType.Int64, [0xc0000000, 0], scalar);
    add("UInt64", DataType.UInt64, [0xffffffff, 0xffffffff], scalar);
    add("Float", DataType.Float, 1.5);
    add("NaN", DataType.Double, NaN);
    add("String", DataType.String, "running");
    add("Empty", DataType.String, "");
    add("Date", DataType.DateTime, new Date(Date.UTC(2026, 0, 2, 3, 4, 5)));
    add("Array", DataType.Double, new Float64Array([1, 2, 3]), { valueRank: 1, array: { arrayType: VariantArrayType.Array } });
    add("Words", DataType.String, ["run", "stop"], { valueRank: 1, array: { arrayType: VariantArrayType.Array } });
    for (const name of ["Counter", "Cut", "Beaten", "Gone", "Paused", "Held", "Stamped", "Filled"]) {
        add(name, DataType.Double, 0);
    }
    add("Span", "Range", new opcua.Range({ low: -5, high: 5 }), { variantType: DataType.ExtensionObject });
    const bad = add("Bad", DataType.Double, 7);
    bad.setValueFromSource({ dataType: DataType.Double, value: 7 }, StatusCodes.BadSensorFailure);
    const unsure = add("Uncertain", DataType.Double, 8);
    unsure.setValueFromSource({ dataType: DataType.Double, value: 8 }, StatusCodes.UncertainLastUsableValue);
    const items = [];
    if (Number(o.items) > 0) {
        const many = ns.addObject({ organizedBy: plant, nodeId: id("Many"), browseName: "Many" });
        for (let i = 0; i < Number(o.items); i++) {
            items.push(ns.addVariable({
                componentOf: many, nodeId: id(`Item.${i}`), browseName: `Item${i}`, dataType: DataType.Double, minimumSamplingInterval: 0,
                value: { dataType: DataType.Double, value: i },
            }));
        }
    }
    for (const extra of JSON.parse(o.nodes ?? "[]")) {
        const own = space.registerNamespace(extra.uri);
        let parent = space.rootFolder.objects;
        for (const level of extra.path.slice(0, -1)) {
            const existing = parent.getFolderElementByName(level) ?? parent.getComponentByName(level);
            parent = existing ?? own.addObject({ organizedBy: parent, browseName: level });
        }
        own.addVariable({
            organizedBy: parent, nodeId: extra.id, browseName: extra.path.at(-1), dataType: DataType.Double, minimumSamplingInterval: 0,
            value: { dataType: DataType.Double, value: extra.value },
        });
    }
    await server.start();
    console.log("ready");

    const write = (v, dataType, value) => v.setValueFromSource({ dataType, value: Number(value) }, StatusCodes.Good, new Date());
    const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
    for await (const text of readline.createInterface({ input: process.stdin })) {
        const words = text.split(" ");
        const node = nodes.get(words[1]);
        switch (words[0]) {
        case "write":
            write(node.v, node.dataType, words[2]);
            break;
        case "ramp":
            for (let n = Number(words[2]); n <= Number(words[3]); n++) {
                write(node.v, node.dataType, n);
                await pause(Number(words[4]));
            }
            break;
        case "stamp":
            node.v.setValueFromSource({ dataType: node.dataType, value: Number(words[2]) }, StatusCodes.Good, new Date(Number(words[3]) * 1000));
            break;
        case "all":
            for (let n = 0; n < Number(words[1]); n++) {
                for (const v of items) {
                    write(v, DataType.Double, n);
                }
                await pause(0);
            }
            break;
        case "delete":
            space.deleteNode(node.v.nodeId);
            break;
        case "create":
            add(words[1], DataType.Double, Number(words[2] ?? 1));
            break;
        case "expire":
            for (const session of Object.values(server.engine._sessions ?? {})) {
                session.emit("timeout");
            }
            break;
        }
        console.log("done");
    }
    process.exit(0);
}

main().catch((err) => {
    console.error(err);
    process.exit(1);
});
