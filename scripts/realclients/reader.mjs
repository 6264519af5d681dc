// A subscriber with js/boreas.js for TestClientsLoseTheirNode. It writes each message, and everything
// else that it is told about the channel, as a line. It ends when its input ends.
import { WebSocket } from "ws";
import { connect } from "../../js/boreas.js";

const [url, token, channel] = process.argv.slice(2);
const client = connect(url, { WebSocket, token });
client.on("error", (error) => console.log(`error ${error.message}`));
const subscription = client.subscribe(channel);
subscription.on("joined", ({ recovered }) => console.log(`joined ${recovered ?? "anew"}`));
subscription.on("message", ({ message, position }) => console.log(`${position} ${JSON.stringify(message)}`));
subscription.on("gap", ({ reason }) => console.log(`gap ${reason}`));
subscription.on("error", (error) => console.log(`error ${error.message}`));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
