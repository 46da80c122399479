// The same as javascript.cjs over WebSocket, as a browser's program does it: the package ws
// stands for the browser's WebSocket. The SDK dials port 8443, whatever the endpoint says.

globalThis.WebSocket = require("ws");

const { WebSocketFetchHandler } = require("@aws-sdk/middleware-websocket");

require("./javascript.cjs").main({ requestHandler: new WebSocketFetchHandler() });
