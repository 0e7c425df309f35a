// Publishes values with QoS 2 in a persistent session of MQTT 5, as mqtt_publisher.py does.
const mqtt = require('mqtt')

const [host, port, device] = process.argv.slice(2)
const client = mqtt.connect(`mqtt://${host}:${port}`, {
  protocolVersion: 5, clientId: device, clean: false, username: 'user', password: 'secret', reconnectPeriod: 200, keepalive: 10,
  properties: { sessionExpiryInterval: 3600 },
})
client.on('error', () => {})

const published = []
let waiting = 0
let last = 0
let stopped = false
const finish = () => {
  if (!stopped || waiting > 0) return
  // What does not fit into the pipe at once would be lost with the process.
  client.end(false, {}, () => process.stdout.write(JSON.stringify(published), () => process.exit(0)))
}
// The client refuses what was given to it while it sent its session's messages again, if the connection closes before it is through with them. That message was
// not sent, and is given to it once more.
const publish = (at, value) => client.publish(`plant/${device}`, JSON.stringify({ ts: at, values: { current: value } }), { qos: 2 }, (err) => {
  if (err) { setTimeout(publish, 100, at, value); return }
  waiting--
  finish()
})
const timer = setInterval(() => {
  if (waiting >= 20) return
  last = Math.max(last + 1, Date.now())
  const value = published.length % 50
  waiting++
  published.push([last, value])
  publish(last, value)
}, 3)
process.stdin.on('end', () => { stopped = true; clearInterval(timer); finish() })
process.stdin.resume()
