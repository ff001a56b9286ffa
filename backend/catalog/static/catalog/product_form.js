// The product page: pictures dropped onto it, rows moved by dragging or with buttons, and the card in lists.
// All texts are in templates of the page.
const form = document.getElementById("product_form");
const card = document.getElementById("product-card");
const pictures = document.getElementById("images-group");
const status = document.getElementById("order-status");
// Pixels at the edges of the window in which dragging scrolls, and pixels that each move scrolls.
const [SCROLL_ZONE, SCROLL_STEP] = [48, 16];
const PICTURE = /^image\/(jpeg|png|webp|gif)$/;

const listRows = (group) => [...group.querySelectorAll("tbody > tr.form-row:not(.empty-form)")];
const getPosition = (row) => row.querySelector(".field-position input[type=number]");
const isDeleted = (row) => row.querySelector(".delete input")?.checked ?? false;

// A new row in which nothing but the position is filled in is not saved.
const isBlank = (row) =>
    !row.classList.contains("has_original") &&
    [...row.querySelectorAll("input:not([type=hidden], [type=checkbox]), select, textarea")].every(
        (field) => field === getPosition(row) || !field.value,
    );

const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// Order of the rows

const markMoved = (row) => {
    const group = row.closest(".inline-group");
    group.dataset.moved = "true";
    const rows = listRows(group);
    status.textContent = fill(status.dataset.text, { position: rows.indexOf(row) + 1, count: rows.length });
    updateCard();
};

// Moves the other rows, because an element that is moved loses the focus and the captured pointer.
const moveTo = (row, index) => {
    const rows = listRows(row.closest(".inline-group"));
    const from = rows.indexOf(row);
    if (index < from) row.after(...rows.slice(index, from));
    else row.before(...rows.slice(from + 1, index + 1));
};

const moveBySteps = (row, step) => {
    const rows = listRows(row.closest(".inline-group"));
    const index = rows.indexOf(row) + step;
    if (!rows[index]) return;
    moveTo(row, index);
    markMoved(row);
};

const startDrag = (event) => {
    const handle = event.currentTarget;
    const row = handle.closest("tr");
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    row.classList.add("dragged");
    const drag = ({ clientX, clientY }) => {
        if (clientY < SCROLL_ZONE) window.scrollBy(0, -SCROLL_STEP);
        if (clientY > window.innerHeight - SCROLL_ZONE) window.scrollBy(0, SCROLL_STEP);
        const rows = listRows(row.closest(".inline-group"));
        const [from, over] = [row, document.elementFromPoint(clientX, clientY)?.closest("tr")].map((tr) =>
            rows.indexOf(tr),
        );
        if (over < 0 || over === from) return;
        const { top, height } = rows[over].getBoundingClientRect();
        const isUpperHalf = clientY < top + height / 2;
        moveTo(row, over < from ? over + !isUpperHalf : over - isUpperHalf);
    };
    const drop = () => {
        handle.removeEventListener("pointermove", drag);
        row.classList.remove("dragged");
        markMoved(row);
    };
    handle.addEventListener("pointermove", drag);
    handle.addEventListener("lostpointercapture", drop, { once: true });
};

const addOrderControls = (row) => {
    const position = getPosition(row);
    if (!position) return;
    const controls = document.getElementById("order-controls").content.cloneNode(true);
    controls.querySelector(".drag-handle").addEventListener("pointerdown", startDrag);
    for (const button of controls.querySelectorAll("button")) {
        button.addEventListener("click", () => moveBySteps(row, Number(button.dataset.step)));
    }
    position.hidden = true;
    position.before(controls);
};

const numberRows = () => {
    for (const group of form.querySelectorAll(".inline-group[data-moved]")) {
        listRows(group)
            .filter((row) => !isBlank(row))
            .forEach((row, index) => {
                getPosition(row).value = index;
            });
    }
};

// Pictures

const showPicture = (row, file) => {
    const image = document.createElement("img");
    image.src = URL.createObjectURL(file);
    image.alt = "";
    image.height = 80;
    image.addEventListener("load", updateCard, { once: true });
    row.querySelector(".field-preview p").replaceChildren(image);
};

const addPicture = (file) => {
    let row = null;
    const remember = (event) => {
        row = event.target;
    };
    document.addEventListener("formset:added", remember);
    pictures.querySelector(".add-row a").click();
    document.removeEventListener("formset:added", remember);
    if (!row) return;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    const input = row.querySelector(".field-file input[type=file]");
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
};

// The type of a file is only that of its name.
const isPicture = async (file) => {
    if (!PICTURE.test(file.type)) return false;
    try {
        (await createImageBitmap(file)).close();
        return true;
    } catch {
        return false;
    }
};

const addPictures = async (files) => {
    const accepted = await Promise.all(files.map(isPicture));
    files.filter((_, index) => accepted[index]).forEach(addPicture);
    reportPictures(
        accepted.filter(Boolean).length,
        files.filter((_, index) => !accepted[index]),
    );
};

const reportPictures = (count, refused) => {
    const report = pictures.querySelector(".drop-zone [role=status]");
    const names = refused.map((file) => file.name).join(", ");
    report.textContent = [
        count && fill(report.dataset.added, { count }),
        refused.length && fill(report.dataset.refused, { names }),
    ]
        .filter(Boolean)
        .join(" ");
};

const checkChosenPicture = async (row, input) => {
    const [file] = input.files;
    if (!file) return;
    if (await isPicture(file)) {
        showPicture(row, file);
    } else if (input.files[0] === file) {
        input.value = "";
        reportPictures(0, [file]);
    }
};

const addDropZone = () => {
    const zone = document.getElementById("drop-zone").content.firstElementChild.cloneNode(true);
    const input = zone.querySelector("input");
    pictures.querySelector("table").before(zone);
    input.addEventListener("change", () => {
        addPictures([...input.files]);
        input.value = "";
    });
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    const highlight = (isOver) => zone.classList.toggle("over", isOver);
    document.addEventListener("dragover", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = "copy";
        highlight(true);
    });
    document.addEventListener("dragleave", (event) => {
        if (!event.relatedTarget) highlight(false);
    });
    document.addEventListener("drop", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        highlight(false);
        addPictures([...event.dataTransfer.files]);
        zone.scrollIntoView({ block: "center" });
    });
};

// The card as lists show it

const formatPrice = (amount) =>
    new Intl.NumberFormat(document.documentElement.lang, {
        style: "currency",
        currency: card.dataset.currency,
        currencyDisplay: "narrowSymbol",
    }).format(amount);

function updateCard() {
    const read = (name) => form.elements[name]?.value ?? card.dataset[name] ?? "";
    const [price, before] = [Number(read("price")), Number(read("compare_at_price"))];
    const isOnSale = before > price;
    const picture =
        pictures &&
        listRows(pictures).find((row) => !isDeleted(row) && row.querySelector(".field-preview img"));
    const show = (part, text) => {
        const element = card.querySelector(`[data-part=${part}]`);
        element.hidden = !text;
        if (typeof text === "string") element.textContent = text;
    };
    show("name", read("name"));
    show("price", formatPrice(price));
    show("before", isOnSale && formatPrice(before));
    show("discount", isOnSale && `−${Math.round((1 - price / before) * 100)}%`);
    show("new", "isNew" in card.dataset);
    show("sold-out", Number(read("stock")) === 0);
    const published = form.elements.is_published;
    show("unpublished", published ? !published.checked : "isUnpublished" in card.dataset);
    const image = card.querySelector("img");
    const source = picture?.querySelector(".field-preview img").src;
    image.hidden = !source;
    if (source) image.src = source;
    card.hidden = false;
}

if (form) {
    form.querySelectorAll(".inline-group").forEach((group) => listRows(group).forEach(addOrderControls));
    if (pictures?.querySelector(".empty-form")) addDropZone();
    form.addEventListener("submit", numberRows);
    form.addEventListener("input", updateCard);
    form.addEventListener("change", (event) => {
        const row = event.target.closest("#images-group tr");
        if (row && event.target.type === "file") checkChosenPicture(row, event.target);
        updateCard();
    });
    document.addEventListener("formset:added", ({ target }) => {
        addOrderControls(target);
        target.closest(".inline-group").dataset.moved = "true";
    });
    document.addEventListener("formset:removed", updateCard);
    // A page with errors has rows whose files the browser does not keep. Django adds the links with jQuery.
    django.jQuery(() => {
        for (const row of pictures ? listRows(pictures) : []) {
            if (isBlank(row)) row.querySelector(".inline-deletelink")?.click();
        }
    });
    updateCard();
}
