// OpenAI's SDK for JavaScript as it comes: buy, poll, download. Prints one line of JSON.
import OpenAI from "openai";

const [baseURL, prompt] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "sk-any" });
let video = await client.videos.create({ model: "kling-2.5", prompt });
while (video.status === "queued" || video.status === "in_progress") {
  await new Promise((resolve) => setTimeout(resolve, 100));
  video = await client.videos.retrieve(video.id);
}
const content = await client.videos.downloadContent(video.id);
const bytes = Buffer.from(await content.arrayBuffer());
console.log(JSON.stringify({ id: video.id, status: video.status, box: bytes.subarray(4, 8).toString() }));
